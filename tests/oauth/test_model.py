"""The values of a sign-in: lifetimes, defaults, and what their repr hides."""

import dataclasses
from collections.abc import Callable

import pytest

from worksgate.oauth import model
from worksgate.oauth.model import (
    ARTIFACT_KINDS,
    Artifact,
    AuthorizationCode,
    Client,
    ClientSecret,
    Interim,
    LoginKind,
)

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("login_kind", "seconds"), [(LoginKind.WEB, DAY), (LoginKind.APP, 30 * DAY)]
)
def test_default_lifetimes_are_those_of_line_works(login_kind: LoginKind, seconds: int) -> None:
    client = Client(client_id="acme", name="Acme")
    assert client.expires_in(login_kind) == client.token_lifetime(login_kind) == seconds


def test_each_kind_of_login_has_its_own_lifetime() -> None:
    client = Client(
        client_id="acme", name="Acme", expires_in_web=1, expires_in_app=2, expires_in_imap=3
    )
    assert [client.expires_in(kind) for kind in LoginKind] == [1, 2, 3]


@pytest.mark.parametrize(
    ("access_token_lifetime", "lives"), [(None, HOUR), (60, 60), (HOUR, HOUR), (DAY, HOUR)]
)
def test_r54_token_lives_as_long_as_announced_or_shorter(
    access_token_lifetime: int | None, lives: int
) -> None:
    client = Client(
        client_id="acme",
        name="Acme",
        expires_in_web=HOUR,
        access_token_lifetime=access_token_lifetime,
    )
    assert client.token_lifetime(LoginKind.WEB) == lives
    assert client.expires_in(LoginKind.WEB) == HOUR


def test_r34_code_lives_sixty_seconds_by_default() -> None:
    assert Client(client_id="acme", name="Acme").code_lifetime == 60


def test_safe_settings_are_the_default() -> None:
    client = Client(client_id="acme", name="Acme")
    assert client.require_state
    assert client.redirect_uris == ()
    assert not any([client.refresh_tokens, client.logout_queries, client.redirect_denials])


def test_r41_every_kind_of_artifact_has_a_name_of_its_own() -> None:
    kinds = [
        value
        for value in vars(model).values()
        if isinstance(value, type) and issubclass(value, Artifact) and "kind" in vars(value)
    ]
    assert {kind.kind: kind for kind in kinds} == dict(ARTIFACT_KINDS)
    assert len(ARTIFACT_KINDS) == len(kinds) >= 5


def test_r106_representation_hides_digests() -> None:
    code = AuthorizationCode(
        key="digest-of-the-code",
        grant_id="g",
        subject_id="directory:1",
        client_id="acme",
        expires_at=1.0,
        user_id="E-0001",
        login_id="l",
        login_kind=LoginKind.WEB,
        lifetime=1,
        expires_in=1,
    )
    client = Client(client_id="acme", name="Acme", secrets=(ClientSecret("digest-of-the-secret"),))
    assert "digest" not in repr(code) + repr(client).replace("digest=", "")
    assert repr(code).startswith("AuthorizationCode(grant_id='g', subject_id='directory:1', ")


def test_values_are_frozen() -> None:
    client = Client(client_id="acme", name="Acme")
    with pytest.raises(dataclasses.FrozenInstanceError):
        client.enabled = False  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("kind", ARTIFACT_KINDS.values(), ids=lambda kind: kind.__name__)
def test_an_artifact_never_changes_and_names_its_fields(kind: type[Artifact]) -> None:
    """What one task was given no other can alter, and no two fields can be mistaken."""
    assert kind.__struct_config__.frozen
    make: Callable[..., Artifact] = kind
    values = [1.0] * len(kind.__struct_fields__)
    assert make(**dict(zip(kind.__struct_fields__, values, strict=True)))
    with pytest.raises(TypeError):
        make(*values)
    for name in kind.__struct_fields__:
        others = {each: 1.0 for each in kind.__struct_fields__ if each != name}
        with pytest.raises(TypeError):
            make(1.0, **others)


def test_r106_representation_hides_what_an_interim_holds() -> None:
    interim = Interim(
        key="the digest",
        grant_id="",
        subject_id="hanako",
        client_id="",
        expires_at=1.0,
        purpose="enrolment",
        data="a secret",
    )
    assert repr(interim) == "Interim(purpose='enrolment', subject_id='hanako')"
