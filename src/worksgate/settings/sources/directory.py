"""The settings of the built-in directory as an identity source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from worksgate.settings.field import option
from worksgate.settings.sources.common import BUILT_IN, SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySettings(SourceSettings):
    """The built-in directory."""

    type: ClassVar[str] = BUILT_IN
    about: ClassVar[str] = (
        "The people managed by `worksgate user`. Without a table the built-in directory is "
        "asked too, and first (see `built_in_directory`); a table changes its position or "
        "gives it domains."
    )
    example: ClassVar[Mapping[str, object]] = {}

    name: str = option(BUILT_IN, "Always directory.")
