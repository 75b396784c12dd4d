"""The format of log lines, whatever library logs."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.log_file import log_file

from worksgate.observability import log
from worksgate.settings.options import Settings

HOSTILE = 'a\nlevel=info\r\x1b[2J\x00\x7f\x85\u2028\u202e\ufeff\ud800 "山田"'


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[..., Callable[[], str]]]:
    """Configure the log onto a file; calling it returns what has been written."""
    with log_file(tmp_path) as configure:
        yield configure


def test_r105_hostile_text_stays_inside_its_json_line(written: Any) -> None:
    read = written()
    structlog.get_logger().info("login.failed", username=HOSTILE, event_name=HOSTILE)
    logging.getLogger("worksgate.x").warning("about %s", HOSTILE)
    lines = read().split("\n")
    assert len(lines) == 3
    assert lines.pop() == ""
    first, second = map(json.loads, lines)
    assert first["username"] == HOSTILE
    assert second["event"] == f"about {HOSTILE}"
    for line in lines:
        assert line.isprintable()
        assert "山田" in line


def test_r105_hostile_text_stays_inside_its_text_line(written: Any) -> None:
    read = written(log_format="text")
    structlog.get_logger().info("login.failed", username=HOSTILE, address="::1")
    structlog.get_logger().info(HOSTILE)
    lines = read().split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith("address=::1")
    assert " level=info" not in lines[0].replace(r"\nlevel=info", "")


def test_r105_a_value_cannot_pretend_to_be_two(written: Any) -> None:
    read = written(log_format="text")
    structlog.get_logger().info("login.failed", username="eve client=acme", note='say "x"')
    assert r'username="eve client=acme" note="say \"x\""' in read()


def test_r105_every_line_has_time_in_utc_level_and_event(written: Any) -> None:
    read = written()
    structlog.get_logger().warning("purge.postponed", detail="locked")
    logging.getLogger("uvicorn.error").warning("started")
    for line in read().splitlines():
        event = json.loads(line)
        assert list(event)[:3] == ["time", "level", "event"]
        assert event["time"].endswith("Z")
        assert len(event["time"]) == len("2026-01-31T09:00:00.000Z")


def test_r106_values_under_secret_names_are_left_out(written: Any) -> None:
    read = written()
    secrets = dict.fromkeys(log.SECRET_NAMES, "canary-7f3a")
    structlog.get_logger().info("code.issued", login_id="l1", **secrets)
    text = read()
    assert "canary" not in text
    assert json.loads(text)["login_id"] == "l1"


def test_r106_other_libraries_are_not_heard_below_warning(written: Any) -> None:
    read = written(log_level="debug")
    logging.getLogger("httpx2").info("HTTP Request: POST https://a/login/check/canary-7f3a")
    logging.getLogger("aiosqlite").debug("executing insert with canary-7f3a")
    logging.getLogger("sqlalchemy.pool").warning("a connection was lost")
    structlog.get_logger("worksgate").debug("seen")
    text = read()
    assert "canary" not in text
    assert "a connection was lost" in text
    assert "seen" in text


def test_uvicorn_says_nothing_of_its_start_and_end(written: Any) -> None:
    read = written(log_level="debug")
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    logging.getLogger("uvicorn.error").error("Application startup failed. Exiting.")
    assert "startup failed" in (text := read())
    assert "Waiting" not in text


def test_r106_access_log_of_uvicorn_is_off(written: Any) -> None:
    access = logging.getLogger("uvicorn.access")
    access.addHandler(logging.StreamHandler())
    read = written(log_level="debug")
    assert not access.hasHandlers()  # then uvicorn does not even format a line
    access.critical("GET /apiLogin/x?password=canary-7f3a")
    assert read() == ""


def test_level_of_the_settings_decides(written: Any) -> None:
    read = written(log_level="warning")
    structlog.get_logger().info("quiet")
    logging.getLogger("worksgate.web").info("quiet")
    logging.getLogger("uvicorn.error").warning("loud")
    structlog.get_logger().error("loud")
    assert read().count("loud") == 2
    assert "quiet" not in read()


def test_exception_is_one_line(written: Any) -> None:
    read = written(log_format="text")
    try:
        int("first\nsecond")
    except ValueError:
        structlog.get_logger().exception("page.crashed")
        logging.getLogger("worksgate").exception("page crashed")
    lines = read().splitlines()
    assert len(lines) == 2
    assert all(r"first\\nsecond" in line for line in lines)


def test_values_that_cannot_be_told_do_not_break_the_caller(written: Any) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    read = written()
    structlog.get_logger().info("event", value=Broken())
    record = logging.LogRecord("worksgate", logging.ERROR, "", 1, "%d of them", ("many",), None)
    (handler,) = (each for each in logging.getLogger().handlers if isinstance(each, log._Handler))
    handler.handle(record)
    assert [json.loads(line)["event"] for line in read().splitlines()] == [
        "log.failed",
        "%d of them",
    ]


def test_long_values_are_cut(written: Any) -> None:
    read = written()
    structlog.get_logger().info("event", value="x" * 1_000_000)
    assert len(read()) < 2 * log.MAX_VALUE


def test_a_second_configure_moves_loggers_that_are_in_use(written: Any, tmp_path: Path) -> None:
    read = written()
    logger = structlog.get_logger()
    logger.info("one")
    assert "one" in read()
    other_file = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    log.configure(Settings(log_format="text"), to=other_file)
    logger.info("two")
    logging.getLogger("worksgate").info("three")
    assert log.flush()
    other = (tmp_path / "other").read_text()
    assert [line.split()[2] for line in other.splitlines()] == ["two", "three"]
    assert "two" not in read()
    log.close()
    os.close(other_file)


def test_no_colours_outside_a_terminal(written: Any) -> None:
    read = written(log_format="text")
    structlog.get_logger().error("event")
    assert "\x1b" not in read()
