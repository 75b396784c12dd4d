"""Each change and each use of a factor is a record in the database and a log line."""

import json
from pathlib import Path

import pyotp
from tests.databases import NOW
from tests.log_file import log_file
from tests.provider.factors.authenticator import Authenticator
from tests.provider.factors.desk import HANAKO, HANAKO_PERSON, ORIGIN, Desk

CHALLENGE = b"c" * 43


async def change_everything(desk: Desk) -> None:
    """Set up, use and remove one factor of each kind."""
    factors, passwords, later = desk.factors, desk.app_passwords, NOW + 60
    app = pyotp.TOTP((await factors.begin_totp("hanako")).secret)
    assert await factors.confirm_totp(HANAKO, app.secret, app.at(int(NOW)), NOW)
    assert await factors.check_totp(HANAKO, app.at(int(later)), later)
    code, *_ = await factors.renew_recovery_codes(HANAKO, later)
    assert await factors.check_recovery_code(HANAKO, code, later)
    authenticator = Authenticator(origin=ORIGIN)
    options = await factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    passkey = await factors.add_passkey(
        HANAKO, authenticator.create(options), CHALLENGE, "MacBook", later
    )
    wanted = await factors.passkey_options(
        HANAKO.subject_id, CHALLENGE, require_user_verification=False
    )
    answer = authenticator.get(wanted)
    await factors.check_passkey(HANAKO, answer, CHALLENGE, later, require_user_verification=False)
    new = await passwords.add(HANAKO, "phone", later)
    assert await passwords.remove(HANAKO, new.app_password.id, later)
    assert await factors.remove_passkey(HANAKO, passkey.id, later)
    assert await factors.remove_totp(HANAKO, later)


async def test_r105_each_is_recorded_once_and_logged_once(desk: Desk, tmp_path: Path) -> None:
    with log_file(tmp_path) as configure:
        read = configure()
        await change_everything(desk)
        lines = [json.loads(line) for line in read().splitlines()]
    recorded = sorted((event.value, detail or "") for event, detail in await desk.recorded())
    assert len(recorded) == 10
    assert sorted((line["event"], line.get("detail", "")) for line in lines) == recorded


async def test_what_is_refused_is_no_and_nothing_of_it_is_logged(
    desk: Desk, tmp_path: Path
) -> None:
    with log_file(tmp_path) as configure:
        read = configure()
        assert await desk.factors.check_totp(HANAKO, "000000", NOW) is False
        assert await desk.factors.remove_totp(HANAKO, NOW) is False
        assert await desk.factors.remove_passkey(HANAKO, "unknown", NOW) is False
        assert await desk.app_passwords.remove(HANAKO, "unknown", NOW) is False
        assert read() == ""
    assert desk.audit.details == ["TOTP: wrong code"]
