"""What stands in the mails: who is meant and what to do, in three languages, nothing foreign."""

import html
import re
from dataclasses import replace

import pytest
from tests.mail.resetting import SETTINGS

from worksgate.mail import MailMessage
from worksgate.sources import Person
from worksgate.web.catalogues import LANGUAGES, translations
from worksgate.web.mails import (
    AUTOMATIC,
    PASSWORD_CHANGED,
    RESET_LINK,
    SECOND_FACTOR_ADDED,
    SECOND_FACTOR_REMOVED,
    Mails,
    MailWording,
)

LINK = "https://sso.example.com/account/reset?token=a-b_c"
PERSON = Person(subject_id="directory:1", username="aoi", name="青井 葵", email="aoi@example.com")
MAILS = Mails(SETTINGS)


def written(wording: MailWording, language: str, person: Person = PERSON) -> MailMessage:
    message = {
        RESET_LINK: lambda: MAILS.reset_link(person, LINK, 1_800, language),
        PASSWORD_CHANGED: lambda: MAILS.password_changed(person, language),
        SECOND_FACTOR_ADDED: lambda: MAILS.second_factor_added(person, language),
        SECOND_FACTOR_REMOVED: lambda: MAILS.second_factor_removed(person, language),
    }[wording]()
    assert message is not None
    return message


def shown(message: MailMessage) -> str:
    """What a reader of the HTML sees."""
    body = message.html.partition("<body")[2].partition(">")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


ALL = pytest.mark.parametrize(
    "wording",
    [RESET_LINK, PASSWORD_CHANGED, SECOND_FACTOR_ADDED, SECOND_FACTOR_REMOVED],
    ids=lambda wording: wording.subject,
)


@ALL
@pytest.mark.parametrize("language", LANGUAGES)
def test_mail_says_in_its_language_what_happened(wording: MailWording, language: str) -> None:
    message = written(wording, language)
    spoken = translations(language)
    values = {"product": "LINE WORKS", "username": "aoi"}
    assert message.to == "aoi@example.com"
    assert message.subject == spoken.gettext(wording.subject) % values
    for english in (wording.happened, wording.if_it_was_not_you, AUTOMATIC):
        assert spoken.gettext(english) % values in message.text
    assert "青井 葵" in message.text
    assert "Example K.K." in message.text
    assert f'<html lang="{language}">' in message.html


@ALL
def test_html_says_the_same_as_the_text(wording: MailWording) -> None:
    message = written(wording, "en")
    for line in filter(None, message.text.splitlines()):
        assert line == "-- " or line in shown(message)


def test_link_can_be_clicked_and_copied() -> None:
    message = written(RESET_LINK, "en")
    assert message.text.splitlines().count(LINK) == 1
    assert f'href="{LINK}"' in message.html
    assert LINK in shown(message)
    assert LINK not in repr(message) + message.subject
    assert "aoi@example.com" not in repr(message)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 minute "),
        (60, "1 minute "),
        (1_800, "30 minutes "),
        (7_200, "120 minutes "),
        (86_400, "24 hours "),
        (7_260, "2 hours "),
    ],
)
def test_mail_tells_how_long_the_link_is_good(seconds: float, said: str) -> None:
    message = MAILS.reset_link(PERSON, LINK, seconds, "en")
    assert message is not None
    assert f"within {said}" in message.text


def test_names_are_text_and_nothing_else() -> None:
    person = replace(PERSON, name="<script>alert(1)</script>", username="50%(n)s&<b>")
    message = written(RESET_LINK, "en", person)
    assert "Hello <script>alert(1)</script>," in message.text
    assert "the account 50%(n)s&<b>." in message.text
    assert "<script" not in message.html
    assert "50%(n)s&amp;&lt;b&gt;" in message.html


def test_mail_without_a_name_greets_nobody() -> None:
    assert "Hello" not in written(RESET_LINK, "en", replace(PERSON, name="")).text


@pytest.mark.parametrize("email", [None, "", "nobody", "a@example.com\nBcc: b@example.com"])
def test_person_without_a_good_address_gets_no_mail(email: str | None) -> None:
    person = replace(PERSON, email=email)
    assert MAILS.password_changed(person, "en") is None
    assert MAILS.reset_link(person, LINK, 1_800, "ja") is None


def test_mail_loads_nothing_from_anywhere() -> None:
    for wording in (RESET_LINK, PASSWORD_CHANGED):
        text = written(wording, "en").html
        assert not re.search(r"<(img|link|script|iframe|style)|url\(|src=", text)
        assert set(re.findall(r'href="([^"]*)"', text)) <= {LINK}
