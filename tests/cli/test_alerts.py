"""``worksgate alert``."""

from tests.cli.terminal import Terminal
from tests.mail_server import mail_server


def test_a_test_alert_says_who_took_it(terminal: Terminal) -> None:
    assert "no alerts are set up" in terminal.refused("alert", "test")
    terminal.environ["WORKSGATE_MAIL_FROM"] = "sso@example.com"
    terminal.environ["WORKSGATE_ALERT_MAIL"] = "ops@example.com"
    with mail_server() as server:
        terminal.environ["WORKSGATE_SMTP_URL"] = server.url
        assert terminal.json("alert", "test") == {"mail": True}
    terminal.environ["WORKSGATE_SMTP_URL"] = "smtp://127.0.0.1:1"
    told = terminal.run("alert", "test")
    assert (told.code, told.out) == (1, "mail: not taken\n")
    assert terminal.json("alert", "list") == []
