"""Where a code may be sent: docs/protocol.md, redirect_uri, line by line; then properties.

The attacks are those of published holes in the same place (CVE-2023-6291, CVE-2024-8883,
CVE-2024-52289, CVE-2026-3872, CVE-2026-7504).
"""

import re
import string
from contextlib import suppress
from itertools import product
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.oauth.errors import BadRedirectUri
from worksgate.oauth.redirect_uri import (
    _SHOWN,
    MAX_LENGTH,
    RESERVED_NAMES,
    check_entry,
    check_redirect_uri,
    is_origin,
    matches,
    origin_of,
    why_not_listed,
    with_code,
    with_denial,
)

ORIGIN = "https://auth.worksmobile.com"
FULL = "https://auth.worksmobile.com/login/callback"
CODE = "bXlzdGVyaW91cy1jb2RlLXRoYXQtaXMtdXNlZC1vbmNl"

property_test = examples(400)


@pytest.mark.parametrize(
    ("address", "entries", "same"),
    [
        (
            "https://sso.example/oauth/callback",
            ("https://sso.example/oauth/calback",),
            "/oauth/cal",
        ),
        ("https://sso.example/b", ("https://sso.example/b/c", "https://other.example/b"), "/b"),
        ("https://sso.example.", ("https://sso.example",), "https://sso.example"),
        ("https://sso.example/", ("https://other.example/callback",), None),
        ("http://sso.example/", (FULL,), None),
        ("", (FULL,), None),
        (FULL, (), None),
    ],
)
def test_r265_a_refusal_says_how_far_it_is_like_an_entry(
    address: str, entries: tuple[str, ...], same: str | None
) -> None:
    said = why_not_listed(address, entries)
    assert said.startswith("redirect_uri is not on the client's allowlist")
    assert (": it is like an entry up to " in said) == (same is not None)
    assert same is None or said.endswith(same)


@pytest.mark.parametrize(("length", "mark"), [(_SHOWN, ""), (_SHOWN + 1, "…")])
def test_of_a_long_entry_the_end_is_shown_that_is_like_it(length: int, mark: str) -> None:
    same = f"{ORIGIN}/".ljust(length, "a")
    said = why_not_listed(f"{same}x", (f"{same}y",))
    assert said.partition(" up to ")[2] == f"{mark}{same[-_SHOWN:]}"


@property_test
@given(st.text(string.printable, max_size=300), st.text(string.ascii_lowercase, max_size=200))
def test_r265_nothing_that_a_stranger_sent_is_in_the_record(tail: str, path: str) -> None:
    entry = f"{ORIGIN}/{path}"
    said = why_not_listed(entry[: len(entry) // 2] + tail, (entry,))
    _, _, same = said.partition(" up to ")
    assert same.lstrip("…") in entry
    assert len(said) < 180


def refuses(value: str, *entries: str, loopback: bool = False) -> bool:
    """Whether a value is refused, by BadRedirectUri and nothing else."""
    try:
        check_redirect_uri(value, entries, loopback=loopback)
    except BadRedirectUri:
        return True
    return False


# §1.1: which characters


def test_longest_redirect_uri_is_accepted_and_one_byte_more_refused() -> None:
    longest = f"{FULL}?state=".ljust(MAX_LENGTH, "a")
    assert MAX_LENGTH == 2048
    assert check_redirect_uri(longest, [FULL]) == longest
    assert refuses(longest + "a", FULL)


def test_plain_http_is_refused_by_default() -> None:
    with pytest.raises(BadRedirectUri):
        check_redirect_uri("http://127.0.0.1:9/cb?state=s", ["http://127.0.0.1:9/cb"])


def test_longest_entry_is_accepted_and_one_byte_more_refused() -> None:
    longest = "https://works.example/".ljust(MAX_LENGTH, "a")
    assert check_entry(longest) == longest
    with pytest.raises(ValueError, match="not have a query"):
        check_entry(f"{longest}a")


@pytest.mark.parametrize("character", sorted(set(map(chr, range(128))) - set(string.printable)))
def test_control_character_is_refused(character: str) -> None:
    assert refuses(f"{FULL}?state=a{character}b", FULL)


@pytest.mark.parametrize("character", [*' \t\n\r\v\f"<>\\^`{|}#', "é", "全", "\u200b", "\udcff"])
def test_character_outside_rfc_3986_is_refused(character: str) -> None:
    assert refuses(f"{FULL}?state=a{character}b", FULL)
    assert refuses(f"{ORIGIN}/a{character}b?state=s", ORIGIN)


@pytest.mark.parametrize("escape", ["%", "%2", "%zz", "%2g", "%%20", "%u0041", "%-1"])
def test_percent_without_two_hex_digits_is_refused(escape: str) -> None:
    assert refuses(f"{FULL}?state={escape}", FULL)
    assert refuses(f"{FULL}?state={escape}&next=x", FULL)


@pytest.mark.parametrize("end", ["#", "#x", "?state=s#", "?state=s#x", "#?state=s"])
def test_r06_fragment_is_refused(end: str) -> None:
    assert refuses(FULL + end, FULL, ORIGIN)


@pytest.mark.parametrize("state", ["a%2Bb", "%E3%83%AF", "a+b", "a/b?c", "~._-", "!$'()*,;:@", "="])
def test_every_character_of_rfc_3986_is_accepted_in_a_value(state: str) -> None:
    value = f"{FULL}?state=x{state}"
    assert check_redirect_uri(value, [FULL]) == value


# §1.2: the cut is at the first question mark


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ("https://evil.example/?https://auth.worksmobile.com/login/callback?state=s", FULL),
        ("https://evil.example?x=https://auth.worksmobile.com/&state=s", ORIGIN),
        ("https://auth.worksmobile.com?.evil.example/&state=s", ORIGIN),
        ("https://auth.worksmobile.com/login?/callback&state=s", FULL),
        ("?state=s", FULL),
        ("?" + FULL + "&state=s", FULL),
    ],
)
def test_what_stands_after_the_first_question_mark_is_never_the_address(
    value: str, entry: str
) -> None:
    assert refuses(value, entry)


def test_later_question_marks_belong_to_the_query() -> None:
    value = f"{FULL}?state=a?b?c"
    assert with_code(check_redirect_uri(value, [FULL]), CODE) == f"{value}&code={CODE}"


# §1.3: the address must match an entry


@pytest.mark.parametrize(
    "address",
    [
        FULL + "/",
        FULL + "/more",
        FULL[:-1],
        FULL.upper(),
        FULL.replace("login", "Login"),
        FULL.replace("login", "%6Cogin"),
        FULL.replace("login/", "login//"),
        FULL.replace("login/", "login/./"),
        FULL.replace("login/", "x/../login/"),
        FULL.replace(".com", ".com:443"),
        FULL.replace("https", "http"),
        FULL.replace("https", "HTTPS"),
        FULL.replace("//", "//user@"),
        " " + FULL,
        FULL + "%20",
        FULL + ";x",
    ],
)
def test_full_entry_matches_byte_for_byte_only(address: str) -> None:
    assert matches(FULL, FULL)
    assert not matches(address, FULL)
    assert refuses(address + "?state=s", FULL)


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/a/b.c", "/a-b_c~d", "/.well-known/x", "/..."])
def test_origin_entry_accepts_any_plain_path(path: str) -> None:
    value = f"{ORIGIN}{path}?state=s"
    assert check_redirect_uri(value, [ORIGIN]) == value


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "//evil.example",
        "/a//b",
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/..",
        "/a/../b",
        "/..;/a",
        "/a;b",
        "/%2e%2e/a",
        "/%2E%2E",
        "/a%2Fb",
        "/a%5Cb",
        "/a\\b",
        "/a:b",
        "/a@b",
        "/a*",
        "/a,b",
        "/a(b)",
        "/a=b",
        "/a&b",
    ],
)
def test_origin_entry_accepts_no_other_path(path: str) -> None:
    assert refuses(f"{ORIGIN}{path}?state=s", ORIGIN)


@pytest.mark.parametrize(
    "value",
    [
        "https://auth.worksmobile.com.evil.example/cb",
        "https://auth.worksmobile.com@evil.example/cb",
        "https://auth.worksmobile.com:x@evil.example/cb",
        "https://auth.worksmobile.com:443/cb",
        "https://auth.worksmobile.com:443@evil.example/cb",
        "https://auth.worksmobile.com\\@evil.example/cb",
        "https://auth.worksmobile.com\\.evil.example/cb",
        "https://auth.worksmobile.com%2F@evil.example/cb",
        "https://auth.worksmobile.com%00.evil.example/cb",
        "https://auth.worksmobile.com\t.evil.example/cb",
        "https://auth.worksmobile.com&@evil.example/cb",
        "https://auth.worksmobile.com;.evil.example/cb",
        "https://auth.worksmobile.com/@evil.example/cb",
        "https://auth.worksmobile.com./cb",
        "https://auth.worksmobile.comm/cb",
        "https://evil.auth.worksmobile.com/cb",
        "https://evil.example/https://auth.worksmobile.com/cb",
        "https://evil.example//auth.worksmobile.com/cb",
        "https://AUTH.worksmobile.com/cb",
        "https://аuth.worksmobile.com/cb",  # the first letter is Cyrillic
        "https://auth。worksmobile.com/cb",
        "https://2130706433/cb",
        "https:/auth.worksmobile.com/cb",
        "https:auth.worksmobile.com/cb",
        "https:///auth.worksmobile.com/cb",
        "https://",
        "http://auth.worksmobile.com/cb",
        "//auth.worksmobile.com/cb",
        "/cb",
        "cb",
        "",
        "javascript:alert(1)//https://auth.worksmobile.com/cb",
        "data:text/html,https://auth.worksmobile.com/cb",
        "worksgate://auth.worksmobile.com/cb",
    ],
)
def test_r06_foreign_address_is_refused(value: str) -> None:
    assert refuses(f"{value}?state=s", ORIGIN, FULL)
    assert refuses(f"{value}?state=s", ORIGIN, FULL, loopback=True)
    assert refuses(value, ORIGIN, FULL)


def test_origin_with_a_port_is_another_origin() -> None:
    with_port = "https://works.example:8443"
    assert not refuses("https://works.example:8443/cb?state=s", with_port)
    assert refuses("https://works.example/cb?state=s", with_port)
    assert refuses("https://works.example:84433/cb?state=s", with_port)
    assert refuses("https://works.example:8443/cb?state=s", "https://works.example")


def test_empty_list_accepts_nothing() -> None:
    assert refuses(f"{FULL}?state=s")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.1:9000"])
def test_plain_http_needs_a_loopback_entry_and_a_loopback_public_url(host: str) -> None:
    value = f"http://{host}/cb?state=s"
    assert check_redirect_uri(value, [f"http://{host}"], loopback=True) == value
    assert refuses(value, f"http://{host}")
    assert refuses(value, f"https://{host}", loopback=True)


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ("http://works.example/cb?state=s", "http://works.example"),
        ("http://works.example/cb?state=s", "http://works.example/cb"),
        ("/cb?state=s", ""),
        ("//evil.example/cb?state=s", "/"),
        ("javascript:/cb?state=s", "javascript:"),
        ("https://a.worksmobile.com/cb?state=s", "https://*.worksmobile.com"),
        ("https://me@works.example/cb?state=s", "https://me@works.example"),
        ("https://works.example/a/../b?state=s", "https://works.example/a/../b"),
    ],
)
def test_entry_that_nobody_may_list_matches_nothing(value: str, entry: str) -> None:
    assert refuses(value, entry, loopback=True)


# §1.4: the query


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
@pytest.mark.parametrize("form", ["{}", "{}=", "{}=x"])
def test_name_that_only_an_answer_holds_is_refused(name: str, form: str) -> None:
    parameter = form.format(name)
    assert refuses(f"{FULL}?state=s&{parameter}", FULL)
    assert refuses(f"{FULL}?{parameter}&state=s", FULL)


def test_reserved_names_are_those_of_the_rule() -> None:
    assert set(RESERVED_NAMES) == {
        *("code", "error", "error_description", "iss", "access_token", "id_token", "response")
    }


@pytest.mark.parametrize(
    "query",
    [
        "state=s&state=t",
        "state=s&state",
        "state=s&a=1&a=1",
        "state=s&co%64e=x",
        "state=s&%63ode=x",
        "state=s&c+ode=x",
        "state=s&code%00=x",
        "state=s&code[]=x",
        "state=s&code;=x",
        "state=s&?code=x",
        "state=s&=x",
        "state=s&",
        "&state=s",
        "state=s&&a=1",
    ],
)
def test_query_name_that_is_not_literal_or_comes_twice_is_refused(query: str) -> None:
    assert refuses(f"{FULL}?{query}", FULL)


def test_query_is_split_on_ampersands_only() -> None:
    value = f"{FULL}?state=a;code=x"
    assert parse_qsl(urlsplit(with_code(value, CODE)).query)[-1] == ("code", CODE)
    assert check_redirect_uri(value, [FULL]) == value


@pytest.mark.parametrize("end", ["", "?", "?state", "?state=", "?other=s", "?State=s"])
def test_missing_state_is_refused_unless_the_client_allows_it(end: str) -> None:
    assert refuses(FULL + end, FULL)
    assert check_redirect_uri(FULL + end, [FULL], require_state=False) == FULL + end


# §1.5: the answer


@pytest.mark.parametrize(
    ("redirect_uri", "answer"),
    [
        (FULL, FULL + "?code=C"),
        (FULL + "?", FULL + "?code=C"),
        (FULL + "?state=s", FULL + "?state=s&code=C"),
        (FULL + "?state=a%2Bb%20c+d", FULL + "?state=a%2Bb%20c+d&code=C"),
        (FULL + "?state=%e3%83%af%2F", FULL + "?state=%e3%83%af%2F&code=C"),
        (FULL + "?b=2&state=s&a=1", FULL + "?b=2&state=s&a=1&code=C"),
    ],
)
def test_redirect_uri_query_comes_back_untouched(redirect_uri: str, answer: str) -> None:
    assert with_code(redirect_uri, "C") == answer


def test_denial_says_only_that_access_was_denied() -> None:
    assert with_denial(FULL + "?state=s") == FULL + "?state=s&error=access_denied"
    assert with_denial(FULL) == FULL + "?error=access_denied"


# entries


@pytest.mark.parametrize(
    "entry",
    [
        ORIGIN,
        FULL,
        ORIGIN + "/",
        "https://works.example:8443",
        "https://works.example/a//b/",
        "https://10.0.0.1",
        "https://[2001:db8::1]:8443/cb",
        "https://localhost",
    ],
)
def test_entry_is_returned_as_it_is(entry: str) -> None:
    assert check_entry(entry) == entry


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "auth.worksmobile.com",
        "//auth.worksmobile.com",
        "ftp://works.example",
        "HTTPS://works.example",
        "javascript://works.example",
        "https://",
        "https:///cb",
        "https://Works.example",
        "https://*.works.example",
        "https://*",
        "https://user@works.example",
        "https://user:secret@works.example",
        "https://works.example:",
        "https://works.example:port",
        "https://works.example.",
        "https://wörks.example",
        "https://works.example?x",
        "https://works.example/cb?x=1",
        "https://works.example/cb#x",
        "https://works.example/*",
        "https://works.example/%2e",
        "https://works.example/a/../b",
        "https://works.example/./b",
        "https://works.example/a b",
        "https://works.example/cb\n",
        "https://works.example\n",
        " https://works.example",
        "https://works.example/" + "a" * MAX_LENGTH,
        "http://works.example",
        "http://127.0.0.1",
    ],
)
def test_entry_that_could_match_too_much_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^(an address|the host|the path|plain http) "):
        check_entry(entry)


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:1", "[::1]", "[::1]:80"])
def test_http_entry_is_for_loopback_hosts_while_we_are_loopback_too(host: str) -> None:
    assert check_entry(f"http://{host}/cb", loopback=True) == f"http://{host}/cb"
    with pytest.raises(ValueError, match="loopback"):
        check_entry(f"http://{host}/cb")


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost.evil.example", "127.0.0.1.nip.example"])
def test_http_entry_for_another_host_is_refused_even_then(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        check_entry(f"http://{host}", loopback=True)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        (ORIGIN, ORIGIN),
        (FULL, ORIGIN),
        (FULL + "?state=https://evil.example/", ORIGIN),
        ("https://works.example?state=a/b", "https://works.example"),
        ("http://[::1]:9000/cb", "http://[::1]:9000"),
        ("https://[:]/cb", "https://[:]"),
    ],
)
def test_origin_of_an_address(address: str, origin: str) -> None:
    assert origin_of(address) == origin
    assert is_origin(origin)


# properties

SAFE = string.ascii_letters + string.digits + "._~-"
URI_CHARACTERS = string.ascii_letters + string.digits + "-._~:/?[]@!$&'()*+,;=%#"

segments = st.text(SAFE, min_size=1, max_size=8).filter(lambda text: text not in (".", ".."))
paths = st.lists(segments, max_size=4).map(lambda parts: "".join("/" + part for part in parts))
names = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=8)

# Each byte has two characters of its own that stand for its escape, so that a value is one draw.
ESCAPES = {0x100 + byte: f"%{byte:02x}" for byte in range(256)}
ESCAPES |= {0x200 + byte: f"%{byte:02X}" for byte in range(256)}
values = st.text([*SAFE, *"+/?:@!$'()*,;=", *map(chr, ESCAPES)], max_size=12).map(
    lambda text: text.translate(ESCAPES)
)
queries = (
    st.dictionaries(names.filter(lambda name: name not in {*RESERVED_NAMES, "state"}), values)
    .flatmap(lambda rest: values.filter(bool).map(lambda state: [*rest.items(), ("state", state)]))
    .flatmap(st.permutations)
    .map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6)
origins = st.builds(
    lambda hosts, port: "https://" + ".".join(hosts) + port,
    st.lists(labels, min_size=1, max_size=3),
    st.sampled_from(["", ":443", ":8443"]),
)
codes = st.text(string.ascii_letters + string.digits + "-_", min_size=54, max_size=54)


@property_test
@given(origins, paths, st.sampled_from(["origin", "address"]), queries, codes)
def test_r07_bytes_come_back_untouched_plus_exactly_one_code(
    origin: str, path: str, listed: str, query: str, code: str
) -> None:
    address = origin + (path or "/")
    value = f"{address}?{query}"
    location = with_code(
        check_redirect_uri(value, [origin if listed == "origin" else address]), code
    )
    assert location == f"{value}&code={code}"
    pairs = parse_qsl(location.partition("?")[2], keep_blank_values=True)
    assert [text for name, text in pairs if name == "code"] == [code]
    assert origin_of(location) == origin


@property_test
@given(st.text() | st.text(URI_CHARACTERS), st.lists(origins | st.text(), max_size=3))
@example("/x?state=s", [""])
def test_nothing_but_bad_redirect_uri_is_ever_raised(value: str, entries: list[str]) -> None:
    for loopback in (False, True):
        try:
            accepted = check_redirect_uri(value, entries, loopback=loopback)
        except BadRedirectUri:
            continue
        assert accepted == value
        assert any(value == entry or value.startswith(entry) for entry in entries)


def is_within(value: str, entry: str) -> bool:
    """The rule of §1.3 in other words: what an accepted value must look like."""
    address = value.split("?")[0]
    if entry.count("/") > 2:
        return address == entry
    rest = address.removeprefix(entry)
    return address.startswith(entry) and (
        re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", rest) is not None
        and rest != ""
        and not {".", ".."} & set(rest.split("/"))
    )


INSERTED = [
    *URI_CHARACTERS,
    *("", "//", "..", "/../", "%2e", "%2f", "%00", "\\", "\t", "。", "@evil"),
    *("code=x", "&code=x", "http:", ".evil.example", "https://evil.example/"),
]
edits = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 3), st.sampled_from(INSERTED)),
    min_size=2,
    max_size=3,
)


def assert_refused_or_within(value: str, entry: str) -> None:
    """What is accepted leads a browser to the entry, with one code."""
    try:
        check_redirect_uri(value, [entry])
    except BadRedirectUri:
        return
    assert is_within(value, entry)
    parts = urlsplit(value)  # what a browser would make of it
    assert (parts.scheme, parts.netloc) == ("https", "auth.worksmobile.com")
    assert parts.fragment == ""
    sent = parse_qsl(urlsplit(with_code(value, CODE)).query, keep_blank_values=True)
    assert [text for name, text in sent if name == "code"] == [CODE]


@pytest.mark.parametrize(("entry", "path"), [(FULL, ""), (ORIGIN, "/a-b/c.d/")])
def test_no_single_edit_leads_outside_the_list(entry: str, path: str) -> None:
    value = f"{entry}{path}?state=s"
    for at, removed, inserted in product(range(len(value) + 1), range(4), INSERTED):
        assert_refused_or_within(value[:at] + inserted + value[at + removed :], entry)


@property_test
@given(st.just((FULL, "")) | st.tuples(st.just(ORIGIN), paths), edits)
def test_nothing_outside_the_list_is_ever_accepted(
    listed: tuple[str, str], changes: list[tuple[int, int, str]]
) -> None:
    entry, path = listed
    value = f"{entry}{path}?state=s"
    for at, removed, inserted in changes:
        value = value[:at] + inserted + value[at + removed :]
    assert_refused_or_within(value, entry)


@property_test
@given(st.text() | st.text(URI_CHARACTERS) | origins)
def test_entry_is_accepted_unchanged_or_refused(entry: str) -> None:
    with suppress(ValueError):
        assert check_entry(entry) == entry
        assert entry.startswith("https://")
        assert origin_of(entry) == "/".join(entry.split("/")[:3])
