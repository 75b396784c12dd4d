"""The texts of e-mails: to whom, about what and what to do, in three languages."""

import html
import re
from dataclasses import replace

import pytest
from tests.provider.account.resetting import SETTINGS

from worksgate.audit import AuditEvent, Event
from worksgate.directory.credential_changes import Change, CredentialChange, Origin
from worksgate.mail import MailMessage
from worksgate.provider.account.notices import SILENT
from worksgate.sources import Person
from worksgate.web.pages.catalogues import LANGUAGES, translations
from worksgate.web.pages.mails import AUTOMATIC, NOTICES, RESET_LINK, Mails, MailWording

LINK = "https://sso.example.com/account/reset?token=a-b_c"
PERSON = Person(subject_id="directory:1", username="aoi", name="青井 葵", email="aoi@example.com")
MAILS = Mails(SETTINGS)


NOT_ME_LINK = "https://sso.example.com/account/not-me?token=a-b_c"
AT = 1_767_225_600.0
BY_THEMSELVES = AuditEvent(
    event=Event.PASSWORD_CHANGED, at=AT, subject_id="directory:1", username="aoi"
)
BY_ADMINISTRATOR = AuditEvent(
    event=Event.USER_CHANGED, at=AT, subject_id="directory:1", username="aoi", actor="cli:root"
)


def changed(
    change: Change, language: str = "en", *, event: AuditEvent = BY_THEMSELVES
) -> CredentialChange:
    origin = Origin(address="203.0.113.7", browser="Chrome on Windows", language=language)
    return CredentialChange(change=change, event=event, origin=origin)


def notice_of(
    change: Change, language: str = "en", *, person: Person = PERSON, link: str = NOT_ME_LINK
) -> MailMessage:
    message = MAILS.notice(person, changed(change, language), link)
    assert message is not None
    return message


def written(wording: MailWording, language: str, person: Person = PERSON) -> MailMessage:
    if wording is RESET_LINK:
        message = MAILS.reset_link(person, LINK, 1_800, language)
        assert message is not None
        return message
    (change,) = [change for change, each in NOTICES.items() if each is wording]
    return notice_of(change, language, person=person)


def shown(message: MailMessage) -> str:
    """What a reader of the HTML sees."""
    body = message.html.partition("<body")[2].partition(">")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


ALL = pytest.mark.parametrize(
    "wording",
    [RESET_LINK, *NOTICES.values()],
    ids=lambda wording: wording.happened[:50],
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
        for part in line.removesuffix(":").split(": "):
            assert part == "-- " or part in shown(message)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_ends_inside_the_name_of_the_product(language: str) -> None:
    for change in NOTICES:
        assert "LINE WORKS" not in notice_of(change, language).html.partition("<body")[2]


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
    assert MAILS.notice(person, changed(Change.PASSWORD_CHANGED), "") is None
    assert MAILS.reset_link(person, LINK, 1_800, "ja") is None


def test_mail_loads_nothing_from_anywhere() -> None:
    for text in (written(RESET_LINK, "en").html, notice_of(Change.PASSKEY_ADDED).html):
        assert not re.search(r"<(img|link|script|iframe)|url\(|@import|src=", text)
        assert set(re.findall(r'href="([^"]*)"', text)) <= {LINK, NOT_ME_LINK}


def test_r126_every_change_has_a_mail_or_is_silent_on_purpose() -> None:
    assert set(NOTICES) | SILENT == set(Change)
    assert not set(NOTICES) & SILENT


@pytest.mark.parametrize("language", LANGUAGES)
def test_r126_notice_tells_when_and_where_from_in_its_language(language: str) -> None:
    spoken = translations(language)
    message = notice_of(Change.APP_PASSWORD_ADDED, language)
    browser = spoken.gettext("%(browser)s on %(system)s") % {
        "browser": "Chrome",
        "system": "Windows",
    }
    assert f"{browser} · 203.0.113.7" in message.text
    colon = ": " if language in ("en", "ko") else "："
    when = rf"{spoken.gettext('When')}{colon}.*202[56]\D.*\d\d:\d\d \(UTC"
    assert re.search(when, message.text)
    button = f"{spoken.gettext('This was not me')}{colon.rstrip()}"
    assert f"{button}\n{NOT_ME_LINK}" in message.text
    assert f'href="{NOT_ME_LINK}"' in message.html


def test_notice_of_an_administrators_change_tells_who_and_not_where() -> None:
    change = changed(Change.PASSWORD_SET, event=BY_ADMINISTRATOR)
    message = MAILS.notice(PERSON, change, NOT_ME_LINK)
    assert message is not None
    assert "By: An administrator" in message.text
    assert "203.0.113.7" not in message.text
    assert "cli:root" not in message.text + message.html


def test_notice_without_a_link_names_the_administrator() -> None:
    message = notice_of(Change.PASSWORD_CHANGED, link="")
    assert "contact your administrator at once" in message.text
    assert "button" not in message.text
    assert "<a " not in message.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_notice_that_no_browser_asked_for_is_in_the_language_of_the_settings(
    language: str,
) -> None:
    mails = Mails(replace(SETTINGS, mail_language=language))
    message = mails.notice(PERSON, changed(Change.PASSWORD_SET, ""), "")
    assert message is not None
    assert f'<html lang="{language}">' in message.html
