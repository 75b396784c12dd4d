"""Commands in sentences do not break inside, whatever the language."""

import click
import pytest

from worksgate.cli import app
from worksgate.web.pages.commands import with_commands


def _marked(command: str) -> str:
    return f'<code class="command" translate="no">{command}</code>'


def _commands() -> list[str]:
    context = click.Context(app)
    found = []
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        inner = command.list_commands(context) if isinstance(command, click.Group) else []
        found += [f"worksgate {name}", *(f"worksgate {name} {each}" for each in inner)]
    return found


def test_every_command_is_marked_whole() -> None:
    groups = {each.rpartition(" ")[0] for each in _commands()} & set(_commands())
    alone = [each for each in _commands() if each not in groups]
    for command in [*alone, "worksgate audit", "worksgate changes"]:
        for sentence in (
            "<p>{}</p>",
            "<p>サーバーで{}を実行します。</p>",
            "<p>서버에서 {}를 실행.</p>",
        ):
            assert with_commands(sentence.format(command)) == sentence.format(_marked(command))


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("as worksgate doctor does it.", "worksgate doctor"),
        ("use worksgate source people NAME on the server", "worksgate source people NAME"),
        ("run worksgate rehearse --line-works", "worksgate rehearse --line-works"),
        (
            "worksgate client set &#39;Acme KK&#39; --domain",
            "worksgate client set &#39;Acme KK&#39; --domain",
        ),
        ("“worksgate user show” says", "worksgate user show"),
    ],
)
def test_a_command_ends_where_the_sentence_goes_on(sentence: str, command: str) -> None:
    expected = sentence.replace(command, _marked(command))
    assert with_commands(sentence) == expected


@pytest.mark.parametrize(
    "html",
    [
        "<code>worksgate user add</code>",
        '<span class="mono" translate="no">worksgate key new FILE</span>',
        "<title>worksgate user add</title>",
        '<input value="worksgate user add">',
        "Worksgate is well",
    ],
)
def test_what_is_a_command_already_or_no_text_stays(html: str) -> None:
    assert with_commands(html) == html
