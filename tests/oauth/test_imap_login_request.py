"""The query of an IMAP/CalDAV login: two parameters in Base64, or InvalidRequest."""

from base64 import b64decode, b64encode
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worksgate.oauth.errors import InvalidRequest
from worksgate.oauth.imap_login import (
    MAX_EMAIL,
    MAX_PASSWORD,
    MAX_QUERY,
    ImapLoginRequest,
    ImapLoginResponse,
)

EMAIL = "hana@acme.example"
PASSWORD = "correct horse battery"
GOOD_EMAIL = "aGFuYUBhY21lLmV4YW1wbGU="
GOOD_PASSWORD = "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"


def encoded(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def sent(email: str = GOOD_EMAIL, password: str = GOOD_PASSWORD, *, safe: str = "") -> str:
    """A query with these values, percent-encoded."""
    return f"email={quote(email, safe=safe)}&password={quote(password, safe=safe)}"


@pytest.mark.parametrize(
    "query",
    [
        sent(),
        sent(safe="="),
        f"password={GOOD_PASSWORD}&email={quote(GOOD_EMAIL)}",
        f"{sent()}&x=1&y&=&&callback=alert",
        f"%65mail={GOOD_EMAIL}&pass%77ord={GOOD_PASSWORD}",
        f"Email=x&PASSWORD=y&{sent()}",
        "email="
        + "".join(f"%{byte:02x}" for byte in GOOD_EMAIL.encode())
        + f"&password={GOOD_PASSWORD}",
    ],
)
def test_a_good_query_is_understood(query: str) -> None:
    for form in (query, query.encode()):
        assert ImapLoginRequest.parse(form) == ImapLoginRequest(EMAIL, PASSWORD)


@pytest.mark.parametrize("safe", ["", "+", "/", "+/=", "="])
def test_r60_a_plus_in_base64_survives(safe: str) -> None:
    password = "pä>>ss>>?word??~"
    assert {"+", "/", "="} <= set(encoded(password))
    request = ImapLoginRequest.parse(sent(password=encoded(password), safe=safe))
    assert request.password == password


NOT_BASE64 = {
    "a bad character": "YWJj*",
    "only padding": "=",
    "four padding signs": "====",
    "padding in the middle": "YQ==YQ==",
    "too much padding": "YWJj=",
    "padding missing": "YQ",
    "one sign missing": "YQ=",
    "CRLF inside": "YWJj\r\nZGVm",
    "a line end": "YWJj\n",
    "NUL after it": "YWJj\0",
    "a blank inside": "YWJj ZGVm",
    "a blank before": " YWJj",
    "the alphabet of addresses": "Pj4-Pz8_",
    "not ASCII": "é",
    "full-width letters": "ＹＷＪｊ",
    "bits that stand for nothing": "YR==",
    "percent-encoded twice": quote("YQ=="),
    "plain text": "user1@example.com",
}
NOT_TEXT = {
    "invalid UTF-8": b"\xc3\x28",
    "half a letter": b"abc\xe3\x81",
    "a surrogate": b"\xed\xa0\x80",
    "an overlong NUL": b"\xc0\x80",
    "NUL": b"\0",
    "NUL first": b"\0x",
    "NUL last": b"x\0",
}


@pytest.mark.parametrize("value", NOT_BASE64.values(), ids=NOT_BASE64.keys())
def test_r60_anything_but_strict_base64_is_refused(value: str) -> None:
    for query in (sent(email=value), sent(password=value)):
        with pytest.raises(InvalidRequest):
            ImapLoginRequest.parse(query)


@pytest.mark.parametrize("value", NOT_TEXT.values(), ids=NOT_TEXT.keys())
def test_r60_r61_anything_but_utf_8_without_nul_is_refused(value: bytes) -> None:
    for query in (sent(email=encoded(value)), sent(password=encoded(value))):
        with pytest.raises(InvalidRequest):
            ImapLoginRequest.parse(query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&",
        "=",
        f"email={GOOD_EMAIL}",
        f"password={GOOD_PASSWORD}",
        f"email=&password={GOOD_PASSWORD}",
        f"email&password={GOOD_PASSWORD}",
        f"Email={GOOD_EMAIL}&Password={GOOD_PASSWORD}",
        f"email={GOOD_EMAIL};password={GOOD_PASSWORD}",
        f"email={GOOD_EMAIL}&{sent()}",
        f"{sent()}&password={GOOD_PASSWORD}",
        f"{sent()}&pass%77ord=",
        f"{sent()}&%65mail={GOOD_EMAIL}",
        f"%2565mail={GOOD_EMAIL}&password={GOOD_PASSWORD}",
        f"email[]={GOOD_EMAIL}&password={GOOD_PASSWORD}",
        f"user={GOOD_EMAIL}&password={GOOD_PASSWORD}",
        sent(password=""),
    ],
)
def test_r60_r61_each_parameter_comes_once_and_is_not_empty(query: str) -> None:
    with pytest.raises(InvalidRequest):
        ImapLoginRequest.parse(query)


@pytest.mark.parametrize("email", ["a\nb@x", "a\x7f@x", "\u202emoc.x@a", "a\u2028", "\t", "a\r\n"])
def test_r60_a_name_that_cannot_be_seen_is_refused(email: str) -> None:
    with pytest.raises(InvalidRequest):
        ImapLoginRequest.parse(sent(email=encoded(email)))


def test_r60_sizes_are_limited() -> None:
    longest = ImapLoginRequest("é" * (MAX_EMAIL // 2), "a" * MAX_PASSWORD)
    query = sent(encoded(longest.email), encoded(longest.password))
    assert ImapLoginRequest.parse(query) == longest
    padded = f"{query}&x={'x' * (MAX_QUERY - len(query) - 3)}"
    assert ImapLoginRequest.parse(padded) == longest
    for too_long in (
        padded + "x",
        sent(encoded(longest.email + "a"), encoded(longest.password)),
        sent(encoded(longest.email), encoded(longest.password + "a")),
        sent(encoded("a" * MAX_QUERY)),
    ):
        with pytest.raises(InvalidRequest):
            ImapLoginRequest.parse(too_long)


def test_the_longest_password_fits_however_it_is_written() -> None:
    escaped = "".join(f"%{byte:02X}" for byte in encoded("a" * MAX_PASSWORD).encode())
    query = f"email={GOOD_EMAIL}&password={escaped}"
    assert ImapLoginRequest.parse(query).password == "a" * MAX_PASSWORD


def test_r59_no_secret_is_shown_or_told() -> None:
    assert PASSWORD not in repr(ImapLoginRequest(EMAIL, PASSWORD))
    assert "a secret" not in repr(ImapLoginResponse("a secret"))
    for query in (sent(email="canary"), sent(password="canary"), f"password=canary&{sent()}"):
        with pytest.raises(InvalidRequest) as refusal:
            ImapLoginRequest.parse(query)
        told = f"{refusal.value!r}{refusal.value}{refusal.value.__cause__}{refusal.value.detail}"
        assert "canary" not in told
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_the_answer_is_the_code() -> None:
    assert ImapLoginResponse("abc").as_json() == {"code": "abc"}


readable = st.text(min_size=1, max_size=60).filter(str.isprintable)
typeable = st.text(min_size=1, max_size=200).filter(lambda text: "\0" not in text)


@given(readable, typeable, st.sampled_from(["", "+/=", "/", "="]))
def test_whatever_is_typed_arrives(email: str, password: str, safe: str) -> None:
    query = sent(encoded(email), encoded(password), safe=safe)
    assert ImapLoginRequest.parse(query) == ImapLoginRequest(email, password)


@given(readable, typeable)
def test_a_library_writes_what_we_read(email: str, password: str) -> None:
    query = urlencode({"password": encoded(password), "email": encoded(email)})
    assert ImapLoginRequest.parse(query) == ImapLoginRequest(email, password)


@given(st.one_of(st.text(), st.binary()))
def test_r60_whatever_comes_is_refused_or_understood(query: str | bytes) -> None:
    with pytest.raises(InvalidRequest):
        ImapLoginRequest.parse(query)


@given(st.text(alphabet="ABCabc019+/= \n-_%", max_size=24))
def test_r60_a_password_has_one_spelling(value: str) -> None:
    try:
        password = ImapLoginRequest.parse(f"email={GOOD_EMAIL}&password={quote(value)}").password
    except InvalidRequest:
        return
    assume(password)
    assert encoded(password) == value
    assert b64decode(value) == password.encode()
