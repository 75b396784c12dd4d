"""How templates are compiled: escaped, strict, and in one language."""

from pathlib import Path

import jinja2

from worksgate.catalogues import Translations


def environment_of(templates: Path, texts: Translations) -> jinja2.Environment:
    """The templates of a folder in one language: Jinja binds the texts when it compiles them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # comes with i18n
        texts.gettext, texts.ngettext, newstyle=True
    )
    return environment
