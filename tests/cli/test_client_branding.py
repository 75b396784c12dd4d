"""``worksgate client branding``, on a real database."""

import pytest
from tests.cli.terminal import Terminal
from tests.clients.branding.pictures import picture


@pytest.fixture
def acme(terminal: Terminal) -> Terminal:
    terminal.ok("client", "add", "acme")
    (terminal.folder / "logo.png").write_bytes(picture())
    (terminal.folder / "text.png").write_text("<svg/>")
    return terminal


def test_a_branding_is_drafted_shown_and_published(acme: Terminal) -> None:
    changed = acme.ok(
        *("client", "branding", "set", "acme", "--name", "光製作所", "--light-color", "#0C5878"),
        *("--logo", "logo.png", "--label", "ja=社員番号", "--help-link", "en=https://help.example"),
    ).out
    assert "Nobody sees it yet" in changed
    document = acme.json("client", "branding", "show", "acme")
    assert document["published"] is None
    draft = document["draft"]
    assert (draft["name"], draft["light"]) == ("光製作所", "#0c5878")
    assert draft["texts"] == {
        "en": {"help_url": "https://help.example"},
        "ja": {"label": "社員番号"},
    }
    assert (draft["logo"]["width"], draft["logo"]["height"]) == (320, 80)
    assert "is shown within a second" in acme.ok("client", "branding", "publish", "acme").out
    acme.ok("client", "branding", "set", "acme", "--name", "", "--logo", "", "--label", "ja=")
    acme.ok("client", "branding", "publish", "acme")
    shown = acme.json("client", "branding", "show", "acme")
    assert "logo" not in shown["published"]
    assert shown["published"]["texts"] == {"en": {"help_url": "https://help.example"}}
    (earlier,) = shown["earlier"]
    acme.ok("client", "branding", "publish", "acme", "--version", str(earlier["number"]))
    assert "光製作所" in acme.ok("client", "branding", "show", "acme").out


def test_a_draft_is_discarded(acme: Terminal) -> None:
    acme.ok("client", "branding", "set", "acme", "--name", "x")
    acme.ok("client", "branding", "discard", "acme")
    assert "Draft: none" in acme.ok("client", "branding", "show", "acme").out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--light-color", "#06c755"), "nearest color that passes is #"),
        (("--dark-color", "red"), "six hexadecimal digits"),
        (("--help-link", "ja=javascript:alert(1)"), "begins with https://"),
        (("--label", "social"), "does not begin with en"),
        (("--logo", "nothing.png"), "nothing.png: No such file or directory"),
        (("--logo", "text.png"), "neither a PNG nor a WebP picture"),
        ((), "nothing to change"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    acme: Terminal, options: tuple[str, ...], sentence: str
) -> None:
    refused = acme.run("client", "branding", "set", "acme", *options)
    assert refused.code != 0
    assert sentence in " ".join(refused.err.split())
    assert "Traceback" not in refused.err
