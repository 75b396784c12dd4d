"""The ways to authenticate: each works once, in its own browser, and only while it is allowed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.provider.sign_in.world import (
    ACME,
    ADDRESS,
    EMMA,
    HANA,
    NEW_PASSWORD,
    NOW,
    PASSWORD,
    TARO,
    People,
    PeopleOfOthers,
    Visit,
    World,
    passkey_of,
    signed,
)

from worksgate.audit import Event, Reason
from worksgate.oauth.errors import UnknownClient
from worksgate.oauth.model import Client, LoginKind, Session, SessionKeyCheck
from worksgate.provider.assurance import Factor, kept_in
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.errors import (
    AlreadySignedIn,
    SignInDenied,
    SignInLost,
    UnknownPasskey,
    UpstreamSignInFailed,
    WrongPassword,
)
from worksgate.provider.sign_in.outcomes import (
    AccountChoiceNeeded,
    Authorized,
    NewPasswordNeeded,
    PasswordNeeded,
    RedirectedUpstream,
    SignedIn,
)
from worksgate.provider.sign_in.session_key import SessionKeyRefused
from worksgate.provider.sign_in.transaction import (
    ExpiredTransaction,
    ForgedTransaction,
    SignInTransaction,
)
from worksgate.provider.sources import UnknownSource
from worksgate.provider.stranger_records import A_MINUTE
from worksgate.provider.throttle import ThrottlePolicy, TooManyAttempts
from worksgate.sources import (
    Person,
    PersonDisabled,
    RefusedUpstream,
    SourceUnavailable,
    TemporaryPasswordExpired,
)

THIRTY_MINUTES = 1_800.0


async def signed_in(world: World) -> Visit:
    visit = world.visit()
    assert isinstance(await visit.log_in(await visit.login_form()), SignedIn)
    return visit


# From LINE WORKS


async def test_r136_every_good_request_is_counted() -> None:
    world = World()
    for _ in range(3):
        await world.visit().arrive()
    await world.strangers.close()
    (counted,) = [each for each in world.audit.events if each.event is Event.LOGIN_REQUESTED]
    assert counted.detail == "not recorded one by one: 3 within a minute, networks: 1"


async def test_r17_a_prefetch_with_a_session_gets_the_form_and_no_code() -> None:
    visit = await signed_in(World())
    visit.browser = replace(visit.browser, may_receive_code=False)
    assert isinstance(await visit.arrive(), PasswordNeeded)
    assert visit.world.audit.count(Event.CODE_ISSUED) == 1


async def test_an_app_that_brings_no_session_key_is_refused_where_one_is_checked() -> None:
    world = World(client=replace(ACME, session_key_check=SessionKeyCheck.FAIL_CLOSED))
    with pytest.raises(SessionKeyRefused):
        await world.visit().arrive(**APP)
    assert isinstance(await world.visit().arrive(), PasswordNeeded)


async def test_whoever_was_meant_is_asked_for_where_another_is_signed_in() -> None:
    visit = await signed_in(World())
    step = await visit.arrive(worksId="taro@example.com")
    assert isinstance(step, AccountChoiceNeeded)
    assert step.person == HANA
    assert isinstance(await visit.provider.continue_as(step.transaction, visit.browser), Authorized)


@pytest.mark.parametrize("hint", ["hana", "HANA@acme.example"])
async def test_whoever_was_meant_and_is_signed_in_is_asked_nothing(hint: str) -> None:
    visit = await signed_in(World())
    assert isinstance(await visit.arrive(worksId=hint), Authorized)


async def test_who_means_to_go_on_as_a_session_that_has_ended_signs_in() -> None:
    visit = await signed_in(World())
    step = await visit.arrive(worksId="taro@example.com")
    assert isinstance(step, AccountChoiceNeeded)
    await visit.world.store.forget(HANA.subject_id)
    assert isinstance(
        await visit.provider.continue_as(step.transaction, visit.browser), PasswordNeeded
    )


# A passkey for the password


async def test_r82_a_passkey_alone_signs_in_verifies_the_user_and_counts_for_both() -> None:
    world = World()
    world.factors.give(HANA, totp=True, passkeys=(passkey_of(HANA.subject_id),))
    visit = world.visit()
    transaction = await visit.login_form()
    challenge = (await visit.provider.ways_in(transaction)).passkey_options or ""
    answer = signed(HANA.subject_id, challenge)
    visit.kept(await visit.provider.use_passkey(transaction, answer, visit.browser))
    assert [each.factor for each in kept_in(await visit.session()).uses] == [Factor.PASSKEY]
    assert world.factors.verified == [True]
    (holder,) = world.factors.holders
    assert (holder.subject_id, holder.client_id, holder.address) == ("", "acme", ADDRESS)
    assert holder.login_id == transaction.login_id


async def test_r82_a_challenge_belongs_to_one_login() -> None:
    world = World()
    world.factors.give(HANA, passkeys=(passkey_of(HANA.subject_id),))
    visit = world.visit()
    first, second = await visit.login_form(), await visit.login_form()
    challenge = (await visit.provider.ways_in(first)).passkey_options or ""
    with pytest.raises(UnknownPasskey):
        await visit.provider.use_passkey(second, signed(HANA.subject_id, challenge), visit.browser)


@pytest.mark.parametrize("why", ["gone", "of another source"])
async def test_a_passkey_of_nobody_who_may_use_the_client_is_unknown(why: str) -> None:
    world = World()
    world.factors.give(HANA, passkeys=(passkey_of(HANA.subject_id),))
    visit = world.visit()
    transaction = await visit.login_form()
    challenge = (await visit.provider.ways_in(transaction)).passkey_options or ""
    if why == "gone":
        world.people.here.clear()
    else:
        world.change_client(sources=("partner",))
    with pytest.raises(UnknownPasskey):
        await visit.provider.use_passkey(
            transaction, signed(HANA.subject_id, challenge), visit.browser
        )
    assert world.audit.events[-1].detail == "passkey: nobody of this client's"
    assert not await world.store.held(Session, HANA.subject_id)


async def test_passkeys_of_nobody_who_may_use_the_client_count_against_the_network() -> None:
    world = World(throttle=ThrottlePolicy(per_address=3))
    world.factors.give(HANA, passkeys=(passkey_of(HANA.subject_id),))
    world.people.here.clear()
    visit = world.visit()
    for refusal in (UnknownPasskey, UnknownPasskey, UnknownPasskey, TooManyAttempts):
        transaction = await visit.login_form()
        challenge = (await visit.provider.ways_in(transaction)).passkey_options or ""
        with pytest.raises(refusal):
            await visit.provider.use_passkey(
                transaction, signed(HANA.subject_id, challenge), visit.browser
            )


@pytest.mark.parametrize(
    ("settings", "offered"),
    [({}, True), ({"passkeys": False}, False), ({"passkeys_usable": False}, False)],
)
async def test_passkeys_are_offered_where_they_are_on_and_work(
    settings: dict[str, bool],
    offered: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World(**settings)  # type: ignore[arg-type]  # two switches
    visit = world.visit()
    ways = await visit.provider.ways_in(await visit.login_form())
    assert (ways.passkey_options is not None) is offered


# Another provider


async def test_r91_a_prefetch_of_the_way_back_is_refused_and_uses_nothing_up() -> None:
    visit = World().visit()
    with pytest.raises(ForgedTransaction):
        await visit.come_from_partner(await visit.login_form(), may_receive_code=False)
    assert not visit.world.partner.answers
    assert isinstance(await visit.back_from_partner(), SignedIn)


async def test_r91_the_way_back_is_taken_once_and_by_the_browser_that_left() -> None:
    visit = World().visit()
    with pytest.raises(ForgedTransaction):
        await visit.come_from_partner(await visit.login_form(), secret="another")
    assert isinstance(await visit.back_from_partner(), SignedIn)
    with pytest.raises(ForgedTransaction):
        await visit.back_from_partner()
    assert len(visit.world.partner.answers) == 1


@pytest.mark.parametrize(("later", "in_time"), [(-0.001, True), (0.0, False)])
async def test_r18_who_is_back_after_thirty_minutes_begins_again(
    later: float,
    in_time: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    await visit.leave_for_partner(transaction)
    visit.world.now += THIRTY_MINUTES + later
    if in_time:
        assert isinstance(await visit.back_from_partner(), SignedIn)
        return
    with pytest.raises(ExpiredTransaction):
        await visit.back_from_partner()
    assert not visit.world.partner.answers


async def test_who_is_back_after_another_tab_has_signed_in_gets_no_second_code() -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    await visit.leave_for_partner(transaction)
    await visit.log_in(transaction)
    with pytest.raises(AlreadySignedIn):
        await visit.back_from_partner()
    assert not visit.world.partner.answers


async def test_a_provider_that_the_client_does_not_use_any_more_grants_no_access() -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    await visit.leave_for_partner(transaction)
    visit.world.change_client(sources=("directory",))
    with pytest.raises(UnknownSource):
        await visit.back_from_partner()
    with pytest.raises(UnknownSource):
        await visit.provider.begin_upstream_login(transaction, "partner", visit.browser)


@pytest.mark.parametrize(
    ("why", "recorded"),
    [
        (RefusedUpstream("access_denied"), "partner: access_denied"),
        (PersonDisabled(), "partner: the person is disabled"),
        (SourceUnavailable("no answer"), None),
    ],
)
async def test_who_is_not_let_in_there_may_try_another_way(
    why: Exception, recorded: str | None
) -> None:
    world = World()

    async def refuse(*_: object) -> None:
        raise why

    world.partner.finish = refuse  # type: ignore[assignment,method-assign]  # it refuses
    visit = world.visit()
    transaction = await visit.login_form()
    with pytest.raises(UpstreamSignInFailed) as failed:
        await visit.come_from_partner(transaction)
    assert failed.value.why is why
    assert failed.value.transaction == transaction
    failures = [each.detail for each in world.audit.events if each.event is Event.LOGIN_FAILED]
    assert failures == ([recorded] if recorded else [])
    assert isinstance(await visit.log_in(transaction), SignedIn)


async def test_who_left_there_at_this_very_moment_may_try_another_way() -> None:
    world = World()
    world.partner.person = None
    visit = world.visit()
    with pytest.raises(UpstreamSignInFailed) as failed:
        await visit.come_from_partner(await visit.login_form())
    assert isinstance(failed.value.why, PersonDisabled)
    assert not await world.store.held(Session, EMMA.subject_id)


async def test_what_the_other_provider_says_counts_as_one_factor() -> None:
    visit = World().visit(EMMA)
    await visit.come_from_partner(await visit.login_form())
    given = kept_in(await visit.session()).uses
    assert [(each.factor, each.at) for each in given] == [(Factor.UPSTREAM, NOW)]


# What no person could change

DENIED = ("deny network=203.0.113.0/24",)
Say = Callable[[Visit, SignInTransaction], Awaitable[object]]
WAYS: dict[str, Say] = {
    "password": lambda visit, transaction: visit.log_in(transaction),
    "wrong password": lambda visit, transaction: visit.log_in(transaction, "wrong"),
    "passkey": lambda visit, transaction: visit.provider.use_passkey(
        transaction, "x", visit.browser
    ),
    "partner": lambda visit, transaction: visit.provider.begin_upstream_login(
        transaction, "partner", visit.browser
    ),
    "form": lambda visit, transaction: visit.provider.check_open(transaction, visit.browser),
    "arrival": lambda visit, _: visit.arrive(),
}


@pytest.mark.parametrize("way", WAYS)
async def test_r125_what_nobody_could_change_is_refused_whatever_they_say(way: str) -> None:
    world = World()
    visit = world.visit()
    transaction = await visit.login_form()
    world.change_client(rules=DENIED)
    with pytest.raises(SignInDenied):
        await WAYS[way](visit, transaction)
    assert not world.people.asked
    (refused,) = [each for each in world.audit.events if each.event is Event.LOGIN_REFUSED]
    assert refused.detail == f"rule: {DENIED[0]}"
    assert refused.username is None


async def test_r125_a_flood_of_refusals_is_recorded_within_a_bound() -> None:
    world = World(client=replace(ACME, rules=DENIED))
    for _ in range(100):
        with pytest.raises(SignInDenied):
            await world.visit().arrive()
    assert world.audit.count(Event.LOGIN_REFUSED) == 60


APP = {"userAgent": "LineWorks"}


@pytest.mark.parametrize(
    ("rule", "check", "refused"),
    [
        ("deny kind=app", SessionKeyCheck.OFF, True),
        ("deny kind=web", SessionKeyCheck.OFF, True),  # it may be a browser that says so
        ("deny kind=imap", SessionKeyCheck.OFF, False),
        ("deny group=staff", SessionKeyCheck.OFF, False),
    ],
)
async def test_r125_who_says_to_be_the_app_is_held_to_the_rules_of_both(
    rule: str,
    check: SessionKeyCheck,
    refused: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World(client=replace(ACME, rules=(rule,), session_key_check=check))
    if refused:
        with pytest.raises(SignInDenied):
            await world.visit().arrive(**APP)
    else:
        assert isinstance(await world.visit().arrive(**APP), PasswordNeeded)


@pytest.mark.parametrize(
    ("client", "refused"),
    [
        (replace(ACME, rules=DENIED), True),
        (replace(ACME, rules=DENIED, enabled=False), False),
        (replace(ACME, rules=DENIED, sources=("partner",)), False),  # it may not be theirs
    ],
)
async def test_r125_the_account_is_closed_where_a_client_of_everybody_is(
    client: Client,
    refused: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World(others=(replace(client, client_id="other"),))
    visit = world.visit()
    transaction = world.provider.begin_for_account(visit.browser)
    if refused:
        with pytest.raises(SignInDenied):
            await visit.log_in(transaction)
    else:
        assert isinstance(await visit.log_in(transaction), SignedIn)


@pytest.mark.parametrize("source", ["directory", "partner"])
async def test_the_account_is_held_to_the_rules_of_the_clients_of_its_source(source: str) -> None:
    other = replace(ACME, client_id="other", rules=("deny source=directory",), sources=(source,))
    visit = World(others=(other,)).visit()
    transaction = visit.provider.begin_for_account(visit.browser)
    if source == "directory":
        with pytest.raises(SignInDenied):
            await visit.log_in(transaction)
        assert visit.world.audit.events[-1].username == HANA.username
    else:
        assert isinstance(await visit.log_in(transaction), SignedIn)


async def test_a_client_that_is_disabled_meanwhile_takes_no_password() -> None:
    world = World()
    visit = world.visit()
    transaction = await visit.login_form()
    world.change_client(enabled=False)
    with pytest.raises(UnknownClient):
        await visit.log_in(transaction)
    assert not world.people.asked


# A password of their own


async def choosing(world: World, *others: Visit) -> tuple[Visit, SignInTransaction]:
    world.people.change(HANA, must_change_password=True)
    visit = world.visit()
    step = await visit.log_in(await visit.login_form())
    assert isinstance(step, NewPasswordNeeded)
    return visit, step.transaction


async def test_r85_a_temporary_password_is_replaced_and_opens_nothing_before() -> None:
    world = World()
    visit, transaction = await choosing(world)
    assert not await world.store.held(Session, HANA.subject_id)
    assert (await world.provider.choosing_password(transaction)) is not None
    step = await world.provider.change_password(transaction, NEW_PASSWORD, visit.browser)
    assert isinstance(step, SignedIn)
    assert world.people.passwords[HANA.subject_id] == NEW_PASSWORD
    assert world.people.app_passwords_ended == [True]
    assert world.audit.count(Event.PASSWORD_CHANGED) == 1


async def test_r31_whoever_was_signed_in_by_the_old_password_is_not_any_more() -> None:
    world = World()
    elsewhere = await signed_in(world)
    visit, transaction = await choosing(world)
    visit.kept(await world.provider.change_password(transaction, NEW_PASSWORD, visit.browser))
    assert await visit.session()
    assert isinstance(await elsewhere.arrive(), PasswordNeeded)


async def test_who_replaces_a_password_in_a_session_gets_a_new_session() -> None:
    """The one that they had has ended with the old password."""
    world = World()
    visit = await signed_in(world)
    world.people.change(HANA, must_change_password=True)
    step = await visit.arrive()
    assert isinstance(step, NewPasswordNeeded)
    transaction = step.transaction
    visit.kept(await world.provider.change_password(transaction, NEW_PASSWORD, visit.browser))
    assert await visit.session()


@pytest.mark.parametrize("step", ["before", "after the second factor"])
async def test_r85_nobody_replaces_a_password_where_nobody_has_asked(step: str) -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    if step == "before":
        world.people.change(HANA, must_change_password=True)
    visit = world.visit()
    transaction = await visit.login_form()
    await visit.log_in(transaction)
    with pytest.raises(SignInLost):
        await world.provider.change_password(transaction, NEW_PASSWORD, visit.browser)
    assert world.people.passwords == {}


async def test_who_is_disabled_while_choosing_a_password_is_not_signed_in() -> None:
    world = World()
    visit, transaction = await choosing(world)
    world.people.meanwhile[HANA.subject_id] = None
    with pytest.raises(PersonDisabled):
        await world.provider.change_password(transaction, NEW_PASSWORD, visit.browser)
    assert not world.audit.count(Event.PASSWORD_CHANGED)


async def test_only_who_must_choose_a_password_is_told_how_strong_it_is() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit = world.visit()
    transaction = await visit.login_form()
    await visit.log_in(transaction)
    assert await world.provider.choosing_password(transaction) is None


# What the pages ask


async def test_the_forms_of_two_people_are_told_apart_by_their_browsers() -> None:
    world = World()
    world.people.here[TARO.subject_id] = TARO
    visit = world.visit()
    transaction = await visit.login_form()
    signer = world.provider.signer
    text = signer.sign(transaction)
    token = signer.anti_forgery_token(transaction, visit.browser.secret)
    read = await world.provider.read_transaction(text, token, visit.browser)
    assert read == transaction
    thief = Browser(address="198.51.100.1", secret="thief")
    with pytest.raises(ForgedTransaction):
        await world.provider.read_transaction(text, token, thief)


async def test_who_gives_up_is_sent_back_where_the_client_wants_to_know() -> None:
    world = World()
    transaction = await world.visit().login_form()
    assert await world.provider.denial(transaction) is None
    world.change_client(redirect_denials=True)
    location = await world.provider.denial(transaction)
    assert location is not None
    assert location.startswith("https://auth.worksmobile.com/cb?state=s&error=access_denied")


async def test_a_name_of_the_providers_domain_leads_there_and_its_password_nowhere() -> None:
    world = World()
    sources = world.provider._sources
    owned = replace(sources, domains={"partner": ("partner.example",)})
    world.provider._sources = owned
    visit = world.visit(replace(EMMA, username="emma@partner.example"))
    transaction = await visit.login_form()
    assert await world.provider.is_upstream(transaction, "emma@partner.example")
    assert not await world.provider.is_upstream(transaction, "hana")
    assert isinstance(await visit.log_in(transaction, PASSWORD), RedirectedUpstream)
    assert not world.people.asked


def test_an_account_transaction_is_for_no_client() -> None:
    world = World()
    transaction = world.provider.begin_for_account(world.visit().browser)
    assert (transaction.client_id, transaction.login_kind) == ("", LoginKind.WEB)
    assert transaction.redirect_uri == "https://sso.example.com/account"


async def test_r82_a_passkey_in_place_of_the_password_proves_who_uses_it() -> None:
    world = World()
    visit = world.visit()
    ways = await visit.provider.ways_in(await visit.login_form())
    assert ways.passkey_options
    assert world.factors.demanded == [True]


async def test_r80_a_sign_in_is_noted_at_its_end() -> None:
    world = World(notes=PeopleOfOthers())
    assert world.notes is not None
    visit = world.visit()
    transaction = await visit.login_form()
    assert world.notes.signed_in == []
    await visit.log_in(transaction)
    assert world.notes.signed_in == [HANA.subject_id]


async def test_r91_another_provider_sends_the_browser_back_to_our_address_for_it() -> None:
    world = World()
    visit = world.visit(EMMA)
    await visit.come_from_partner(await visit.login_form())
    assert world.partner.return_urls == ["https://sso.example.com/login/callback/partner"] * 2


async def test_r78_a_right_password_ends_the_row_of_wrong_ones() -> None:
    world = World(throttle=ThrottlePolicy(free=3, first_delay=60.0))
    for _ in range(3):
        visit = world.visit()
        for _ in range(2):
            with pytest.raises(WrongPassword):
                await visit.log_in(await visit.login_form(), "wrong")
        assert isinstance(await visit.log_in(await visit.login_form()), SignedIn)


async def test_r136_no_flood_hides_the_failure_in_a_browser_that_is_known() -> None:
    world = World(throttle=ThrottlePolicy(per_address=5_000))
    known = await signed_in(world)
    for number in range(A_MINUTE[Event.LOGIN_FAILED] + 1):
        stranger = world.visit(replace(HANA, username=f"stranger {number}"))
        with pytest.raises(WrongPassword):
            await stranger.log_in(await stranger.login_form(), "wrong")
    for visit in (world.visit(devices=known.browser.devices), world.visit()):
        with pytest.raises(WrongPassword):
            await visit.log_in(await visit.login_form(), "wrong")
    failures = [each for each in world.audit.events if each.event is Event.LOGIN_FAILED]
    assert [each.username for each in failures].count(HANA.username) == 1


class Lapsed(People):
    """A directory of temporary passwords whose time is over."""

    async def authenticate(self, username: str, password: str) -> Person | None:
        raise TemporaryPasswordExpired


async def test_a_temporary_password_that_has_lapsed_is_wrong_and_named_in_the_record() -> None:
    visit = World(people=Lapsed()).visit()
    with pytest.raises(WrongPassword):
        await visit.log_in(await visit.login_form())
    assert visit.world.audit.events[-1].reason is Reason.TEMPORARY_EXPIRED


class Disabled(People):
    """A directory whose people are all disabled."""

    async def authenticate(self, username: str, password: str) -> Person | None:
        if await super().authenticate(username, password) is not None:
            raise PersonDisabled
        return None


async def test_r78_the_right_password_of_somebody_disabled_ends_the_row_too() -> None:
    world = World(people=Disabled(), throttle=ThrottlePolicy(free=3, first_delay=60.0))
    for _ in range(3):
        visit = world.visit()
        for _ in range(2):
            with pytest.raises(WrongPassword):
                await visit.log_in(await visit.login_form(), "wrong")
        with pytest.raises(PersonDisabled):
            await visit.log_in(await visit.login_form())
