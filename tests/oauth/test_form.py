"""The only parser of form bodies: plain text by name, or InvalidRequest."""

from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.oauth.errors import InvalidRequest
from worksgate.oauth.form import (
    MAX_BODY,
    MAX_FIELDS,
    MAX_VALUE,
    MEDIA_TYPE,
    charset_of,
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
    assert charset_of(content_type) == "utf-8"


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("ISO-8859-1", "latin-1"),
        ("iso-8859-1", "latin-1"),
        ('"ISO-8859-1"', "latin-1"),
        ("US-ASCII", "ascii"),
        ("UTF-8", "utf-8"),
    ],
)
def test_r112_the_charset_of_common_clients_is_accepted(charset: str, encoding: str) -> None:
    assert charset_of(f"{MEDIA_TYPE}; charset={charset}") == encoding


def test_r112_a_form_is_decoded_in_its_charset() -> None:
    assert parse_form(b"a=caf%E9+%C3", "latin-1") == {"a": "café Ã"}
    assert parse_form(b"a=caf%C3%A9", "utf-8") == {"a": "café"}
    assert parse_form(b"a=%41+%2B", "ascii") == {"a": "A +"}
    for body, charset in ((b"a=caf%E9", "utf-8"), (b"a=caf%C3%A9", "ascii")):
        with pytest.raises(InvalidRequest):
            parse_form(body, charset)


@pytest.mark.parametrize(
    "body",
    [b"&a=1", b"a=1&", b"a=1&&b=", b"&&&a=1&b=&&", b"a=1&b", b"c&a=1", b"a=1&%61", b"a&a=1&a"],
)
def test_r112_empty_parts_and_bare_names_are_skipped(body: bytes) -> None:
    form = parse_form(body)
    assert form.pop("b", "") == ""
    assert form == {"a": "1"}


@pytest.mark.parametrize("body", [b"", b"&", b"a", b"&&a&", b'{"a": 1}'])
def test_r112_a_body_without_a_field_is_an_empty_form(body: bytes) -> None:
    assert parse_form(body) == {}


def test_r51_r112_stray_separators_do_not_count_as_fields_and_hide_none() -> None:
    fields = [f"f{number}=x".encode() for number in range(MAX_FIELDS)]
    assert len(parse_form(b"&&&".join(fields) + b"&" * 9_000)) == MAX_FIELDS
    with pytest.raises(InvalidRequest, match="too many"):
        parse_form(b"&&&".join([*fields, b"one=more"]))


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
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded; charset=windows-1252",
        "application/x-www-form-urlencoded; charset=iso-8859-1; charset=shift_jis",
        "application/x-www-form-urlencoded; charset=utf-8; charset=utf-7",
        "application/x-www-form-urlencoded; charset",
    ],
)
def test_r43_anything_else_is_no_form(content_type: str) -> None:
    assert charset_of(content_type) is None


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
    assert parse_form(b"x" * MAX_VALUE + b"=a") == {"x" * MAX_VALUE: "a"}
    for body in (b"a=" + b"x" * (MAX_VALUE + 1), b"x" * (MAX_VALUE + 1) + b"=a"):
        with pytest.raises(InvalidRequest, match="too long"):
            parse_form(body)


def test_r45_empty_value_counts_as_missing() -> None:
    assert require({"a": "1"}, "a") == "1"
    for form in ({}, {"a": ""}, {"A": "1"}):
        with pytest.raises(InvalidRequest, match="a is missing or empty"):
            require(form, "a")


def test_media_type_is_the_forms() -> None:
    assert charset_of(MEDIA_TYPE) == "utf-8"


# properties

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@examples(400)
@given(st.dictionaries(texts, texts, max_size=MAX_FIELDS))
def test_form_agrees_with_the_encoder_of_the_standard_library(form: dict[str, str]) -> None:
    assert parse_form(urlencode(form).encode()) == form


@examples(400)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), st.integers(0, 5))
def test_form_with_any_repetition_is_refused(pairs: list[tuple[str, str]], which: int) -> None:
    pairs.append((pairs[which % len(pairs)][0], "again"))
    with pytest.raises(InvalidRequest):
        parse_form(urlencode(pairs).encode())


@examples(600)
@given(st.binary() | st.text("&=%+;ab0Ff", max_size=40).map(str.encode))
def test_any_body_is_read_or_refused_by_invalid_request(body: bytes) -> None:
    try:
        form = parse_form(body)
    except InvalidRequest:
        return
    fields = "&".join(part for part in body.decode().split("&") if "=" in part)
    assert form == dict(parse_qsl(fields, keep_blank_values=True))
    assert body.count(b"=") >= len(form)


@given(texts)
def test_plus_and_escapes_mean_the_same_blank(text: str) -> None:
    spelt = quote_plus(text)
    assert parse_form(f"a={spelt}".encode()) == parse_form(
        f"a={spelt.replace('+', '%20')}".encode()
    )
