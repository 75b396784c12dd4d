"""The audit log: where it is fetched, that it is whole, and what columns it has."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, BinaryIO

import pytest
from tests.administration.external_keys.line_works import member
from tests.line_works_api.fake_api import NOW, Watch
from tests.line_works_api.simulated import HOSTS, opened, simulator

from worksgate.conformance.directory_api import Fault, Operation, SignIn
from worksgate.line_works_api.audit_logs import Span, read_log
from worksgate.line_works_api.calling import NotAllowedThere
from worksgate.line_works_api.errors import AccessRefused, ApiUnavailable
from worksgate.line_works_api.hosts import Hosts

STORAGE = "storage.example.com"
SIGN_INS = tuple(SignIn(NOW - 60 * number, f"p{number}@example.com", "成功") for number in range(4))
SPAN = Span(
    datetime.fromtimestamp(NOW, timezone(timedelta(hours=9))) - timedelta(days=1),
    datetime.fromtimestamp(NOW, timezone(timedelta(hours=9))) + timedelta(hours=1),
)


def line_works(watch: Watch, **rules: Any) -> Any:
    return simulator(watch, rules=rules, sign_ins=SIGN_INS)


def rows_of(file: BinaryIO) -> list[Sequence[str]]:
    with read_log(file) as log:
        return list(log.rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_log_is_fetched_whole_and_read_by_all_of_its_columns(encoding: str) -> None:
    watch = Watch()
    columns = ("Zeit", "Wer", "", "Gerät", "IP")
    there = line_works(watch, audit_log_encoding=encoding, audit_log_columns=columns)
    async with opened(there, watch, "audit.read") as api:
        file = io.BytesIO()
        await api.audit_logs.download(file, "auth", SPAN, domain=1)
    with read_log(file) as log:
        assert log.header == list(columns)
        assert [row[1:3] for row in log.rows] == [[each.user, "成功"] for each in SIGN_INS]
    (call,) = there.calls_of(Operation.AUDIT_LOG)
    assert call.parameters == ("service", "startTime", "endTime", "language", "domainId")


@pytest.mark.parametrize("end", [timedelta(), timedelta(days=31, seconds=1), timedelta(days=-1)])
def test_a_span_that_line_works_would_refuse_is_not_asked(end: timedelta) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    Span(start, start + timedelta(days=31))
    with pytest.raises(ValueError, match="31 days"):
        Span(start, start + end)
    with pytest.raises(ValueError, match="time zone"):
        Span(start.replace(tzinfo=None), start)


async def test_half_a_log_is_an_error() -> None:
    watch = Watch()
    async with opened(line_works(watch, audit_log_breaks_off=True), watch, "audit.read") as api:
        with pytest.raises(ApiUnavailable, match="broke off its audit log"):
            await api.audit_logs.download(io.BytesIO(), "auth", SPAN)
    for text in ("a,b\ndownloadLogs error : x", 'a\n"downloadLogs error"\r\n\r\n'):
        for encoding in ("utf-8", "utf-16"):
            with pytest.raises(ApiUnavailable):
                rows_of(io.BytesIO(text.encode(encoding)))
    assert rows_of(io.BytesIO(b"a\ndownloadLogs error\nx\n"))[-1] == ["x"]


@pytest.mark.parametrize("fault", [Fault.CUT_BODY, Fault.UNAVAILABLE, Fault.WRONG_CONTENT_TYPE])
async def test_after_a_problem_with_the_file_its_address_is_asked_anew(fault: Fault) -> None:
    watch = Watch()
    there = line_works(watch)
    there.faults.plan(fault, Operation.AUDIT_FILE, seconds=0.01)
    async with opened(there, watch, "audit.read") as api:
        file = io.BytesIO()
        await api.audit_logs.download(file, "auth", SPAN)
    assert len(rows_of(file)) == 4
    assert len(there.calls_of(Operation.AUDIT_LOG)) == 2


async def test_r215_a_log_is_fetched_from_an_allowed_host_alone_with_the_token() -> None:
    watch = Watch()
    there = simulator(watch, sign_ins=SIGN_INS, storage_host=STORAGE)
    file = io.BytesIO()
    async with opened(there, watch, "audit.read") as api:
        with pytest.raises(NotAllowedThere, match=f"http://{STORAGE}.*line_works_download_urls"):
            await api.audit_logs.download(file, "auth", SPAN)
    assert not there.calls_of(Operation.AUDIT_FILE)
    there = simulator(watch, sign_ins=SIGN_INS, storage_host="127.0.0.1:8095", api_host="localhost")
    hosts = Hosts(api="http://localhost/v1.0", auth=HOSTS.auth, downloads="http://127.0.0.1:8095")
    async with opened(there, watch, "audit.read", hosts=hosts) as api:
        await api.audit_logs.download(file, "auth", SPAN)
    assert len(rows_of(file)) == 4
    assert there.calls_of(Operation.AUDIT_FILE)[0].client_id


async def test_a_minute_lies_between_two_downloads() -> None:
    watch = Watch()
    there = line_works(watch)
    async with opened(there, watch, "audit.read") as api:
        for _ in range(3):
            await api.audit_logs.download(io.BytesIO(), "developer", SPAN)
    assert {call.status for call in there.calls_of(Operation.AUDIT_LOG)} == {302}
    assert watch.passed >= 120
    assert len(there.calls_of(Operation.AUDIT_FILE)) == 3


async def test_a_missing_scope_is_told() -> None:
    watch = Watch()
    async with opened(line_works(watch), watch, "directory") as api:
        with pytest.raises(AccessRefused, match="give its audit log"):
            await api.audit_logs.download(io.BytesIO(), "auth", SPAN)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "no header"), (b",,\n", "no header"), (b"\xff\xfa", "encoding"), (b'a\n"b', "not CSV")],
)
def test_what_is_no_log_is_told(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        rows_of(io.BytesIO(content))


async def test_people_of_all_domains_of_an_app_are_read_each_once() -> None:
    watch = Watch()
    there = simulator(watch)
    there.add(member("b", "B-1", domain_id=2))
    there.add(member("c", None, domain_id=3))
    async with opened(there, watch, "directory") as api:
        assert [each.id async for each in api.members()] == ["u-aoi"]
    async with opened(there, watch, "directory", domains=(1, 2)) as api:
        assert [each.id async for each in api.members()] == ["u-aoi", "id-b"]
    assert "domainId" in there.calls[-1].parameters
