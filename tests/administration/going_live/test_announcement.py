"""The mail to all says how mail programs sign in, and nothing that cannot be done."""

import pytest

from worksgate.administration.going_live.announcement import (
    LANGUAGE_NAMES,
    Facts,
    MailPrograms,
    announcements,
)
from worksgate.oauth.model import Client, ImapPasswords

ACCOUNT = "https://sso.example.com/account"


def a_client(*, imap_login: bool, enabled: bool = True, asks: str = "app_passwords") -> Client:
    return Client(
        client_id="c1",
        name="Acme",
        redirect_uris=(),
        imap_login=imap_login,
        imap_passwords=ImapPasswords(asks),
        enabled=enabled,
    )


@pytest.mark.parametrize(
    ("clients", "expected"),
    [
        ([], MailPrograms.OFF),
        ([a_client(imap_login=False)], MailPrograms.OFF),
        ([a_client(imap_login=True, enabled=False)], MailPrograms.OFF),
        ([a_client(imap_login=True)], MailPrograms.APP_PASSWORDS),
        ([a_client(imap_login=True, asks="all")], MailPrograms.PASSWORDS),
        (
            [a_client(imap_login=True, asks="all"), a_client(imap_login=True)],
            MailPrograms.APP_PASSWORDS,
        ),
    ],
)
def test_clients_decide_how_mail_programs_sign_in(
    clients: list[Client], expected: MailPrograms
) -> None:
    assert MailPrograms.of(clients) is expected


def test_the_mail_names_the_account_page_for_app_passwords_where_it_has_them() -> None:
    mails = {
        each: announcements(
            Facts(
                product="LINE WORKS",
                date="",
                time="",
                contact="",
                account_url=ACCOUNT,
                mail_programs=each,
            )
        )
        for each in MailPrograms
    }
    for language in LANGUAGE_NAMES:
        texts = [mails[each][language] for each in MailPrograms]
        assert [text.count(ACCOUNT) for text in texts] == [2, 1, 1]
        assert len({text.count("\n") for text in texts}) == 1
        assert len(set(texts)) == 3
        assert not any("[" in text for text in texts)
