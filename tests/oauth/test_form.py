"""The one reader of form bodies: plain text by name, or InvalidRequest."""

from collections.abc import Callable
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worksgate.oauth import form as form_module
from worksgate.oauth.errors import InvalidRequest
from worksgate.oauth.form import (
    MAX_BODY,
    MAX_FIELDS,
    MAX_VALUE,
    MEDIA_TYPE,
    is_form,
    parse_form,
    require,
)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        " application/x-www-form-urlencoded ",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-8",
        'application/x-www-form-urlencoded ; Charset="UTF-8"',
        "application/x-www-form-urlencoded; charset=utf8",
        "application/x-www-form-urlencoded; boundary=x",
        "application/x-www-form-urlencoded;",
    ],
)
def test_form_is_known_by_its_media_type(content_type: str) -> None:
    assert is_form(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded2",
        "application/x-www-form-urlencoded, application/json",
        "text/plain; application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=shift_jis",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=utf-8; charset=utf-7",
        "application/x-www-form-urlencoded; charset",
    ],
)
def test_r43_anything_else_is_no_form(content_type: str) -> None:
    assert not is_form(content_type)


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", {}),
        (b"a=1", {"a": "1"}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=", {"a": ""}),
        (b"=a", {"": "a"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=1+2%2B3", {"a": "1 2+3"}),
        (b"a%3Db=%26", {"a=b": "&"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"a=%E4%BD%90%E8%97%A4", {"a": "佐藤"}),
        (b"a[]=1", {"a[]": "1"}),
        (b"A=1&a=2", {"A": "1", "a": "2"}),
        (b"a=%0A%00", {"a": "\n\0"}),
    ],
)
def test_form_is_read_into_its_parameters(body: bytes, form: dict[str, str]) -> None:
    assert parse_form(body) == form


@pytest.mark.parametrize(
    "body",
    [
        b"a",
        b"&",
        b"a=1&",
        b"&a=1",
        b"a=1&&b=2",
        b"a=1&b",
        b'{"a": 1}',
        b"\x1f\x8b\x08\x00",
        "a=é".encode(),
        "a=é".encode("latin-1"),
        b"a=\xff",
        b"a=%FF%FE",
        b"a=%C0%AE",
        b"a=%ED%A0%80",
        b"a=%F4%90%80%80",
        b"%FF=a",
    ],
)
def test_what_is_no_form_in_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_form(body)


@pytest.mark.parametrize("body", [b"a=1&a=1", b"a=1&a=2", b"a=1&b=2&a=", b"a=&a=", b"a=1&%61=1"])
def test_r45_repeated_parameter_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        parse_form(body)


def test_r51_more_fields_than_any_honest_request_has_are_refused() -> None:
    fields = [f"f{number}=x" for number in range(MAX_FIELDS + 1)]
    assert len(parse_form("&".join(fields[:-1]).encode())) == MAX_FIELDS == 32
    with pytest.raises(InvalidRequest):
        parse_form("&".join(fields).encode())


def test_r51_longer_value_than_any_honest_request_has_is_refused() -> None:
    assert MAX_VALUE == 4096
    assert MAX_BODY == 16384
    assert parse_form(b"a=" + b"x" * MAX_VALUE) == {"a": "x" * MAX_VALUE}
    for body in (b"a=" + b"x" * (MAX_VALUE + 1), b"x" * (MAX_VALUE + 1) + b"=a"):
        with pytest.raises(InvalidRequest, match="too long"):
            parse_form(body)


def test_r45_empty_value_counts_as_missing() -> None:
    assert require({"a": "1"}, "a") == "1"
    for form in ({}, {"a": ""}, {"A": "1"}):
        with pytest.raises(InvalidRequest, match="a is missing or empty"):
            require(form, "a")


def test_media_type_is_the_forms() -> None:
    assert is_form(MEDIA_TYPE)


# properties

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(deadline=None, max_examples=400)
@given(st.dictionaries(texts, texts, max_size=MAX_FIELDS))
def test_form_agrees_with_the_encoder_of_the_standard_library(form: dict[str, str]) -> None:
    assert parse_form(urlencode(form).encode()) == form


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), st.integers(0, 5))
def test_form_with_any_repetition_is_refused(pairs: list[tuple[str, str]], which: int) -> None:
    pairs.append((pairs[which % len(pairs)][0], "again"))
    with pytest.raises(InvalidRequest):
        parse_form(urlencode(pairs).encode())


@settings(deadline=None, max_examples=600)
@given(st.binary() | st.text("&=%+;ab0Ff", max_size=40).map(str.encode))
def test_any_body_is_read_or_refused_by_invalid_request(body: bytes) -> None:
    try:
        form = parse_form(body)
    except InvalidRequest:
        return
    assert form == dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert body.count(b"=") >= len(form)


@given(texts)
@settings(deadline=None)
def test_plus_and_escapes_mean_the_same_blank(text: str) -> None:
    spelt = quote_plus(text)
    assert parse_form(f"a={spelt}".encode()) == parse_form(
        f"a={spelt.replace('+', '%20')}".encode()
    )


@settings(deadline=None)
@given(st.text(alphabet="ab=&;_-. \x00é", max_size=60))
def test_a_body_without_escapes_is_read_like_any_other(text: str) -> None:
    """The quick way and ``parse_qsl`` agree on every body that the quick way is taken for."""
    body = text.encode()

    def outcome(read: Callable[[bytes], list[tuple[str, str]]]) -> object:
        try:
            return read(body)
        except InvalidRequest:
            return InvalidRequest

    assert outcome(form_module._plain_pairs) == outcome(form_module._pairs)
