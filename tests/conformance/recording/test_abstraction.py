"""What is kept of a call, and what is not."""

import json
from dataclasses import replace

import pytest

from worksgate.conformance.recording.abstraction import abstracted, answer_of
from worksgate.conformance.recording.calls import Call
from worksgate.conformance.recording.keyed_hash import KeyedHash
from worksgate.conformance.recording.observed import Kind, Observed

HASHED = KeyedHash(bytes(32))
FORM = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"9")]
JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
CALL = Observed(
    kind=Kind.TOKEN,
    at=1_000.5,
    seconds=0.0123,
    method="POST",
    http="1.1",
    below="",
    query=b"",
    headers=FORM,
    peer="203.0.113.7",
    body=b"grant_type=authorization_code&client_id=Client-1&client_secret=S3cret&code=C0de",
    status=200,
    answer_headers=JSON,
    answer_body=b'{"access_token":"T0ken","token_type":"Bearer","expires_in":3600}',
)


def kept(seen: Observed) -> Call:
    """What is kept of a call, read from its line again."""
    line = abstracted(seen, 1_000.0, HASHED).as_line()
    for secret in ("Client-1", "S3cret", "C0de", "T0ken", "203.0.113.7"):
        assert secret.encode() not in line
    return Call.of(json.loads(line))


def test_a_call_keeps_its_order_its_form_and_its_answer() -> None:
    call = kept(CALL)
    names = [each.name for each in call.parameters]
    assert names == ["grant_type", "client_id", "client_secret", "code"]
    assert call.parameters[0].value == "authorization_code"
    assert (call.parameters[3].length, call.parameters[3].characters) == ("1-8", "token")
    assert (call.content, call.framing, call.http, call.at) == ("form", "length", "1.1", 0.5)
    answer = call.answer
    assert answer.members == {
        "access_token": "string",
        "token_type": "string",
        "expires_in": "integer",
    }
    assert answer.values == {"token_type": "Bearer", "expires_in": 3600}
    assert answer.is_success
    assert answer.is_uncached


def test_the_same_code_has_the_same_hash_wherever_it_is() -> None:
    location = b"https://auth.worksmobile.com/cb?state=s%2F1&code=C0de"
    seen = replace(
        CALL,
        kind=Kind.LOGIN,
        method="GET",
        body=b"",
        query=b"client_id=Client-1&redirect_uri=https%3A%2F%2Fauth.worksmobile.com%2Fcb%3F"
        b"state%3Ds%252F1",
        status=303,
        answer_headers=[(b"location", location)],
        answer_body=b"",
    )
    call = kept(seen)
    assert call.answer.goes_to == "redirect_uri"
    assert call.answer.ids["code"] == kept(CALL).id_of("code")
    assert call.answer.ids["redirect"] == call.id_of("redirect_uri")
    assert b"worksmobile" not in call.as_line()


@pytest.mark.parametrize(
    ("query", "same"),
    [(b"email=YUBi&password=cHc%3D", True), (b"email=YUBj&password=cHc%3D", False)],
)
def test_a_password_has_a_hash_of_its_person(query: bytes, same: bool) -> None:  # noqa: FBT001  # a table
    mail = replace(CALL, kind=Kind.IMAP, method="GET", body=b"", below="/Client-1")
    one = kept(replace(mail, query=b"email=YUBi&password=cHc%3D"))
    other = kept(replace(mail, query=query))
    assert (one.id_of("password") == other.id_of("password")) is same
    assert one.first("password").length == ""  # type: ignore[union-attr]  # it is there
    assert one.parameters[0].id == kept(CALL).id_of("client_id")


def test_what_people_type_into_the_page_is_not_kept() -> None:
    call = kept(
        replace(CALL, kind=Kind.SIGN_IN, body=b"username=a&password=S3cret", query=b"x=C0de")
    )
    assert call.parameters == ()


@pytest.mark.parametrize(
    "body",
    [
        b"C0de",
        b"C0de=S3cret&S3cret",
        b"%zz=%&&&=C0de&\xff=\xfe",
        b"&".join(b"a%d=S3cret" % number for number in range(1_000)),
    ],
)
def test_a_malformed_body_leaves_no_text_behind(body: bytes) -> None:
    call = kept(replace(CALL, body=body))
    assert {each.name for each in call.parameters} == {"other"}
    assert len(call.parameters) <= 40


@pytest.mark.parametrize(
    ("body", "error", "members"),
    [
        (b'{"error":"302","error_description":"C0de"}', "302", {"error", "error_description"}),
        (b'{"error":"S3cret is wrong"}', "other", {"error"}),
        (b'{"S3cret":{"C0de":1}}', None, {"other"}),
        (b'{"error":', None, set()),
        (b"[1]", None, set()),
        (b"{" * 50_000, None, set()),
    ],
)
def test_an_answer_leaves_no_text_behind(body: bytes, error: str | None, members: set[str]) -> None:
    call = kept(replace(CALL, status=400, answer_body=body))
    assert call.answer.error == error
    assert set(call.answer.members) == members


def test_headers_are_words_of_a_list() -> None:
    headers = [
        (b"content-type", b"text/S3cret; charset=S3cret"),
        (b"expect", b"C0de"),
        (b"connection", b"keep-alive, S3cret"),
        (b"transfer-encoding", b"chunked"),
        (b"content-encoding", b"GZIP"),
        (b"authorization", b"Bearer T0ken"),
        (b"cookie", b"session=T0ken"),
    ]
    call = kept(replace(CALL, headers=headers, method="S3CRET"))
    assert (call.content, call.charset, call.expect, call.connection) == ("other",) * 4
    assert (call.framing, call.encoding, call.method) == ("chunked", "gzip", "other")
    assert call.has_cookie


def test_a_redirect_elsewhere_and_an_error_of_it() -> None:
    sent = "https://a.example/cb?state=1"
    for location, goes_to, error in (
        (b"https://a.example/cb?state=1&code=C0de", "redirect_uri", None),
        (b"https://a.example/cb?state=2&code=C0de", "elsewhere", None),
        (b"https://a.example/cb?state=1&error=access_denied", "elsewhere", "101"),
        (b"/login/step", "elsewhere", None),
    ):
        answer = answer_of(303, [(b"location", location)], b"", HASHED, redirect_uri=sent)
        assert (answer.goes_to, answer.error) == (goes_to, error)


def test_values_for_different_purposes_and_keys_are_never_equal() -> None:
    other = KeyedHash(b"k" * 32)
    found = {HASHED("code", b"x"), HASHED("user_id", b"x"), other("code", b"x")}
    assert len(found) == 3
    assert "k" * 8 not in repr(other)
    with pytest.raises(ValueError, match="32 bytes"):
        KeyedHash(b"")
