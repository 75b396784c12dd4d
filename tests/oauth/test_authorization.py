"""The authorization request: what is accepted and refused, and in which order."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.oauth.authorization import (
    KNOWN,
    MAX_HINT,
    MAX_QUERY,
    TRANSACTION_LIFETIME,
    AuthorizationRequest,
)
from worksgate.oauth.errors import (
    AuthorizationError,
    BadAuthorizationRequest,
    BadRedirectUri,
    Cause,
    UnknownClient,
)
from worksgate.oauth.model import Client, LoginKind

REDIRECT_URI = "https://auth.worksmobile.com/login/callback?state=a%2Bb&locale=ja"

CLIENTS = {
    client.client_id: client
    for client in (
        Client(client_id="acme", name="Acme", redirect_uris=("https://auth.worksmobile.com",)),
        Client(
            client_id="gone",
            name="Gone",
            enabled=False,
            redirect_uris=("https://auth.worksmobile.com",),
        ),
        Client(
            client_id="plain",
            name="Plain",
            require_state=False,
            redirect_uris=("https://plain.example/cb",),
        ),
        Client(client_id="near", name="Near", redirect_uris=("http://127.0.0.1:9000",)),
    )
}

RIGHT = {"response_type": "code", "client_id": "acme", "redirect_uri": REDIRECT_URI}


def parse(query: str, *, loopback: bool = False) -> AuthorizationRequest:
    return AuthorizationRequest.parse(query, CLIENTS.get, loopback=loopback)


def parse_with(**changes: str) -> AuthorizationRequest:
    return parse(urlencode({**RIGHT, **changes}))


def without(name: str) -> str:
    return urlencode({key: value for key, value in RIGHT.items() if key != name})


def test_web_login_is_read() -> None:
    assert parse_with() == AuthorizationRequest(client_id="acme", redirect_uri=REDIRECT_URI)


@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [
        ("plain", "https://plain.example/other"),
        ("plain", "https://plain.example/"),
        ("plain", "https://plain.example/cb/"),
        ("plain", "https://plain.example/CB"),
        ("plain", REDIRECT_URI),
        ("acme", "https://plain.example/cb?state=s"),
    ],
)
def test_r06_a_request_is_held_against_the_list_of_its_own_client(
    client_id: str, redirect_uri: str
) -> None:
    with pytest.raises(BadRedirectUri):
        parse_with(client_id=client_id, redirect_uri=redirect_uri)
    right = parse_with(client_id="plain", redirect_uri="https://plain.example/cb")
    assert right.redirect_uri == "https://plain.example/cb"


def test_app_login_is_read() -> None:
    request = parse_with(userAgent="LineWorks", worksId="sato@acme", sessionKey="aB3_-x")
    assert request == AuthorizationRequest(
        client_id="acme",
        redirect_uri=REDIRECT_URI,
        login_kind=LoginKind.APP,
        works_id="sato@acme",
        session_key="aB3_-x",
    )


def test_parameters_come_in_any_order() -> None:
    assert parse(urlencode(dict(reversed(RIGHT.items())))) == parse_with()


def test_r05_unknown_parameters_are_ignored_even_when_repeated() -> None:
    assert parse(f"lang=ja&{urlencode(RIGHT)}&state=x&code=1&code=2&=&x") == parse_with()


def test_transaction_lives_thirty_minutes() -> None:
    assert TRANSACTION_LIFETIME == 1800


# the client comes first


@pytest.mark.parametrize(
    "client_id", ["", "unknown", "gone", "ACME", "acme ", "acme\0", "acme\u200b", "acme'--", "*"]
)
def test_r01_unknown_or_disabled_client_is_refused(client_id: str) -> None:
    with pytest.raises(UnknownClient):
        parse_with(client_id=client_id)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "&&&",
        without("client_id"),
        f"{urlencode(RIGHT)}&client_id=acme",
        f"{urlencode(RIGHT)}&client_id=plain",
        f"{urlencode(RIGHT)}&client_id=",
        urlencode({**RIGHT, "client_id": ""}),
        without("client_id") + "&client_id=%FF%FE",
        without("client_id") + "&client_id=acme%FF",
        without("client_id") + "&client_id[]=acme",
    ],
)
def test_r01_client_id_missing_repeated_or_no_text_is_refused(query: str) -> None:
    with pytest.raises(UnknownClient):
        parse(query)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_is_missing_is_told_from_what_is_sent_twice(name: str) -> None:
    queries = {
        without(name): Cause.PARAMETER_MISSING,
        urlencode({**RIGHT, name: ""}): Cause.PARAMETER_MISSING,
        f"{urlencode(RIGHT)}&{name}=": Cause.SENT_TWICE,
        f"{urlencode(RIGHT)}&{name}=&{name}=": Cause.SENT_TWICE,
    }
    for query, cause in queries.items():
        with pytest.raises(AuthorizationError) as refused:
            parse(query)
        assert refused.value.cause is cause


def test_client_is_checked_before_everything_else() -> None:
    with pytest.raises(UnknownClient):
        parse("client_id=unknown&redirect_uri=https://evil.example/&response_type=token")


# then redirect_uri


@pytest.mark.parametrize(
    "query",
    [
        without("redirect_uri"),
        without("redirect_uri") + "&redirect_uri",
        without("redirect_uri") + "&redirect_uri=",
        without("redirect_uri") + "&redirect_uri=%FF%FE",
        without("redirect_uri") + "&redirect_uri=" + quote(REDIRECT_URI, safe="") + "%FF",
        without("redirect_uri") + "&redirect_uri=%",
        without("redirect_uri") + "&redirect_uri[]=" + quote(REDIRECT_URI, safe=""),
        without("redirect_uri") + "&Redirect_uri=" + quote(REDIRECT_URI, safe=""),
        f"{urlencode(RIGHT)}&redirect_uri={quote(REDIRECT_URI, safe='')}",
        f"redirect_uri=https%3A%2F%2Fevil.example%2F&{urlencode(RIGHT)}",
        f"{urlencode(RIGHT)}&redirect_uri=",
    ],
)
def test_r02_redirect_uri_missing_repeated_or_no_text_is_refused(query: str) -> None:
    with pytest.raises(BadRedirectUri):
        parse(query)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/?state=s",
        "https://auth.worksmobile.com.evil.example/?state=s",
        "https://auth.worksmobile.com/login/callback",
        "https://auth.worksmobile.com/login/callback?state=s&code=mine",
        "https://auth.worksmobile.com/login/callback?state=s\r\nSet-Cookie: a=b",
        quote(REDIRECT_URI, safe=""),
        "http://127.0.0.1:9000/cb?state=s",
    ],
)
def test_r01_redirect_uri_that_is_not_on_the_list_is_refused(redirect_uri: str) -> None:
    with pytest.raises(BadRedirectUri):
        parse_with(redirect_uri=redirect_uri)


def test_redirect_uri_is_decoded_once() -> None:
    assert parse_with().redirect_uri == REDIRECT_URI
    assert "%2B" in parse_with().redirect_uri


def test_redirect_uri_is_checked_before_the_rest() -> None:
    with pytest.raises(BadRedirectUri):
        parse(
            "client_id=acme&redirect_uri=https://evil.example/&response_type=token&worksId&worksId"
        )


def test_state_is_required_as_the_client_is_set() -> None:
    address = "https://plain.example/cb"
    assert parse_with(client_id="plain", redirect_uri=address).redirect_uri == address


def test_another_clients_address_is_refused() -> None:
    with pytest.raises(BadRedirectUri):
        parse_with(redirect_uri="https://plain.example/cb?state=s")


def test_loopback_addresses_are_for_a_loopback_installation() -> None:
    query = urlencode(
        {**RIGHT, "client_id": "near", "redirect_uri": "http://127.0.0.1:9000/cb?state=s"}
    )
    assert parse(query, loopback=True).redirect_uri == "http://127.0.0.1:9000/cb?state=s"
    with pytest.raises(BadRedirectUri):
        AuthorizationRequest.parse(query, CLIENTS.get)
    with pytest.raises(BadRedirectUri):
        parse(query)


def test_query_beyond_its_limit_is_refused() -> None:
    query = urlencode(RIGHT) + "&x="
    assert parse(query.ljust(MAX_QUERY, "x")) == parse_with()
    with pytest.raises(AuthorizationError):
        parse(query.ljust(MAX_QUERY + 1, "x"))


# then the rest


@pytest.mark.parametrize(
    "response_type",
    ["", "token", "id_token", "none", "CODE", "Code", "code ", " code", "code token", "code\0"],
)
def test_r03_response_type_other_than_code_is_refused(response_type: str) -> None:
    with pytest.raises(BadAuthorizationRequest):
        parse_with(response_type=response_type)


@pytest.mark.parametrize("end", ["", "&response_type", "&response_type=code&response_type=code"])
def test_r03_response_type_missing_or_repeated_is_refused(end: str) -> None:
    with pytest.raises(BadAuthorizationRequest):
        parse(without("response_type") + end)


@pytest.mark.parametrize("name", KNOWN)
def test_r04_known_parameter_given_twice_is_refused(name: str) -> None:
    query = urlencode({**dict.fromkeys(KNOWN, "x"), **RIGHT})
    assert parse(query).client_id == "acme"
    with pytest.raises(AuthorizationError):
        parse(f"{query}&{name}=x")


# hints


@pytest.mark.parametrize("user_agent", ["", "lineworks", "LineWorks ", "LineWorks/3.0", "Mozilla"])
def test_login_is_the_apps_only_by_its_exact_user_agent(user_agent: str) -> None:
    assert parse_with(userAgent=user_agent).login_kind is LoginKind.WEB


@pytest.mark.parametrize(
    ("works_id", "kept"),
    [
        ("sato@acme", "sato@acme"),
        (" sato@acme ", "sato@acme"),
        ("佐藤", "佐藤"),
        ('"><script>', '"><script>'),
        ("x" * MAX_HINT, "x" * MAX_HINT),
        ("x" * (MAX_HINT + 1), None),
        ("", None),
        ("  ", None),
        ("a\0b", None),
        ("a\nb", None),
        ("a\u202eb", None),
        ("a", "a"),
    ],
)
def test_r15_works_id_is_kept_as_a_hint_when_it_can_be_shown(
    works_id: str, kept: str | None
) -> None:
    assert parse_with(worksId=works_id).works_id == kept


def test_r15_works_id_that_is_no_text_is_dropped() -> None:
    assert parse(f"{urlencode(RIGHT)}&worksId=%FF").works_id is None


@pytest.mark.parametrize("session_key", ["a", "aB3_-", "x" * 128])
def test_r16_session_key_of_the_one_form_is_kept(session_key: str) -> None:
    assert parse_with(sessionKey=session_key).session_key == session_key


@pytest.mark.parametrize(
    "session_key",
    [
        "",
        "x" * 129,
        "../x",
        "a/b",
        "a?b#c",
        "a b",
        "a\n",
        "ключ",
        "a%2Fb",
        "http://169.254.169.254/",
    ],
)
def test_r16_session_key_of_another_form_is_dropped(session_key: str) -> None:
    assert parse_with(sessionKey=session_key).session_key is None


def test_r106_representation_hides_the_session_key() -> None:
    assert "aB3key" not in repr(parse_with(sessionKey="aB3key"))


# properties

names = st.sampled_from([*KNOWN, "state", "code", ""]) | st.text(max_size=5)
values = st.sampled_from([*RIGHT.values(), "LineWorks", "near", "https://evil.example"]) | st.text()


@examples(500)
@given(st.lists(st.tuples(names, values), max_size=8))
def test_any_pairs_are_refused_or_read_as_they_were_encoded(pairs: list[tuple[str, str]]) -> None:
    encodable = [(name, value) for name, value in pairs if (name + value).isprintable()]
    try:
        request = parse(urlencode(encodable), loopback=True)
    except AuthorizationError:
        return
    sent = dict(encodable)
    assert request.client_id == sent["client_id"]
    assert request.redirect_uri == sent["redirect_uri"]
    assert sent["response_type"] == "code"
    assert (request.login_kind is LoginKind.APP) == (sent.get("userAgent") == "LineWorks")


@examples(500)
@given(st.text() | st.text("&=%+;?#[]cox20FfE ", max_size=40))
def test_any_query_is_read_or_refused_by_an_authorization_error(query: str) -> None:
    for whole in (query, urlencode(RIGHT) + query, f"{query}&{urlencode(RIGHT)}"):
        try:
            request = parse(whole)
        except AuthorizationError:
            continue
        assert request.client_id == "acme"
        assert request.redirect_uri.startswith(REDIRECT_URI)


@examples(200)
@given(st.binary(max_size=30))
def test_any_escaped_bytes_in_a_value_are_read_or_refused(data: bytes) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in data)
    assert parse(f"{urlencode(RIGHT)}&worksId={escaped}").client_id == "acme"
    for name in ("client_id", "redirect_uri", "response_type"):
        with pytest.raises(AuthorizationError):
            parse(f"{without(name)}&{name}={escaped}x")


@pytest.mark.parametrize(
    ("changes", "client_id"),
    [
        ({"client_id": "nobody"}, None),
        ({"client_id": ""}, None),
        ({"client_id": "gone"}, "gone"),
        ({"redirect_uri": "https://evil.example/?state=s"}, "acme"),
        ({"redirect_uri": ""}, "acme"),
        ({"response_type": "token"}, "acme"),
    ],
)
def test_a_refusal_names_the_client_if_there_is_one(
    changes: dict[str, str], client_id: str | None
) -> None:
    with pytest.raises(AuthorizationError) as refused:
        parse_with(**changes)
    assert refused.value.client_id == client_id
