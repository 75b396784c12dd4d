"""The contract of ``worksgate.store.Store``, on every store."""

import pytest
from msgspec import structs
from tests.store.artifacts import (
    NOW,
    access_token,
    buys,
    code,
    interim,
    issued,
    key_of,
    named,
    one_of_each,
    portions,
    refresh_token,
    session,
    spent_transaction,
)

from worksgate.oauth.model import (
    ARTIFACT_KINDS,
    AccessToken,
    Artifact,
    AuthorizationCode,
    LoginKind,
    RefreshToken,
    Session,
)
from worksgate.store import (
    CLOCK_SET_BACK,
    REPLAY_MEMORY,
    NewExpiry,
    Recount,
    Redemption,
    RedemptionOutcome,
    Store,
)

EACH = pytest.mark.parametrize("artifact", one_of_each(), ids=lambda artifact: artifact.kind)


# Keeping and finding


@EACH
async def test_what_is_saved_is_found_as_it_was(store: Store, artifact: Artifact) -> None:
    await store.save(artifact)

    assert await store.find(type(artifact), artifact.key) == artifact


@EACH
async def test_r41_a_secret_of_one_kind_is_nothing_in_another(
    store: Store, artifact: Artifact
) -> None:
    await store.save(artifact)

    for kind in ARTIFACT_KINDS.values():
        if kind is not type(artifact):
            assert await store.find(kind, artifact.key) is None
            assert await store.take(kind, artifact.key) is None
            assert not await store.extend(kind, artifact.key, NOW + 1)
    assert await store.find(type(artifact), artifact.key) == artifact


async def test_the_kind_of_a_login_comes_back_as_one(store: Store) -> None:
    await store.save(access_token())

    found = await store.find(AccessToken, access_token().key)

    assert found is not None
    assert found.login_kind is LoginKind.IMAP


async def test_what_was_never_saved_is_not_found(store: Store) -> None:
    assert await store.find(AccessToken, key_of("nothing")) is None


async def test_expired_artifacts_are_found_until_they_are_purged(store: Store) -> None:
    old = access_token(expires_at=NOW - 10_000)
    await store.save(old)

    assert await store.find(AccessToken, old.key) == old


@EACH
async def test_what_a_person_holds_of_a_kind_is_listed(store: Store, artifact: Artifact) -> None:
    await store.save(*one_of_each(subject="anna"), session("berta", subject="berta"))

    assert await store.held(type(artifact), "anna") == (artifact,)
    assert await store.held(type(artifact), "nobody") == ()


async def test_a_list_holds_what_has_expired_and_what_is_used(store: Store) -> None:
    await store.save(code("used"), code("old", expires_at=NOW - 10_000), code("good"))
    await store.redeem(AuthorizationCode, key_of("used"), "tenant", buys("token"), NOW)

    found = await store.held(AuthorizationCode, "anna")

    assert sorted(each.key for each in found) == sorted(map(key_of, ("used", "old", "good")))
    assert [each.key for each in await store.held(AccessToken, "anna")] == [key_of("token")]


async def test_what_was_taken_or_forgotten_is_listed_no_more(store: Store) -> None:
    await store.save(session("one"), session("two"), session("three", subject="berta"))
    await store.take(Session, key_of("one"))

    assert [each.key for each in await store.held(Session, "anna")] == [key_of("two")]

    await store.forget("anna")

    assert await store.held(Session, "anna") == ()
    assert len(await store.held(Session, "berta")) == 1


async def test_several_are_saved_at_once(store: Store) -> None:
    await store.save(*one_of_each())

    for artifact in one_of_each():
        assert await store.find(type(artifact), artifact.key) == artifact


async def test_saving_nothing_changes_nothing(store: Store) -> None:
    await store.save(code())
    await store.save()

    assert await store.find(AuthorizationCode, code().key) == code()
    assert await store.purge(NOW + 1_000_000) == 1


async def test_saving_again_replaces(store: Store) -> None:
    await store.save(session(expires_at=NOW + 1))
    await store.save(session(subject="berta", expires_at=NOW + 2))

    assert await store.find(Session, session().key) == session(subject="berta", expires_at=NOW + 2)


async def test_of_what_is_replaced_nothing_stays(store: Store) -> None:
    await store.save(structs.replace(session(), works_account="anna@example.com"))
    await store.save(session())

    assert await store.find(Session, session().key) == session()


async def test_what_is_replaced_is_no_more_of_its_former_person_and_grant(store: Store) -> None:
    await store.save(session(grant="old"), code(grant="old"))
    kept = session(grant="new", subject="berta")
    await store.save(kept)
    for _ in range(2):  # a replay, which revokes
        await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW)

    assert await store.held(Session, "anna") == ()
    assert await store.forget("anna") == 1, "the used code"
    assert await store.find(Session, kept.key) == kept


async def test_i4_a_used_code_that_is_saved_again_stays_used(store: Store) -> None:
    await store.save(code())
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("first"), NOW)
    await store.save(code(expires_at=NOW + 999))

    again = await store.redeem(AuthorizationCode, code().key, "tenant", buys("second"), NOW)

    assert again.outcome is RedemptionOutcome.REPLAYED
    assert await store.purge(NOW + 999 + REPLAY_MEMORY - 0.5) == 0
    assert await store.purge(NOW + 999 + REPLAY_MEMORY) == 1


@EACH
async def test_only_the_first_adds(store: Store, artifact: Artifact) -> None:
    assert await store.add(artifact)
    assert not await store.add(artifact)


async def test_adding_does_not_touch_what_is_there(store: Store) -> None:
    await store.add(spent_transaction())
    await store.add(spent_transaction(expires_at=NOW + 1))

    kept = await store.find(type(spent_transaction()), spent_transaction().key)

    assert kept == spent_transaction()


# Adding with all that depends on it


async def test_who_adds_keeps_the_others_and_removes_what_they_replace(store: Store) -> None:
    old, under_way = session("old"), interim("under way")
    await store.save(old, under_way, session("another's", subject="berta"))
    left = (code(), session("new"), refresh_token(), access_token(), interim("trusted"))

    gone = [named(under_way), named(old), named(interim("never there"))]
    assert await store.add(spent_transaction(), *left, removed=gone)

    for artifact in (spent_transaction(), *left, session("another's", subject="berta")):
        assert await store.find(type(artifact), artifact.key) == artifact
    assert await store.find(Session, old.key) is None
    assert await store.find(type(under_way), under_way.key) is None
    assert len(await store.held(Session, "anna")) == 1


async def test_who_comes_second_changes_nothing(store: Store) -> None:
    live = session()
    await store.save(live)
    await store.add(spent_transaction())

    assert not await store.add(spent_transaction(), code(), removed=[named(live)])

    assert await store.find(AuthorizationCode, code().key) is None
    assert await store.find(Session, live.key) == live


@pytest.mark.parametrize("lowered", [(), ("lowered", "nothing left")])
async def test_counters_change_with_what_is_added(store: Store, lowered: tuple[str, ...]) -> None:
    for counter in ("reset", "lowered", "lowered", "begun", "begun", "kept"):
        await store.bump(counter, 60, NOW)
    recount = Recount(
        reset=["reset", "never there"], lowered=lowered, begun={"begun": 100}, now=NOW + 30
    )

    assert await store.add(spent_transaction(), code(), recount=recount)

    names = ("reset", "lowered", "begun", "kept")
    changed = [0, 1 if lowered else 2, 1, 1]
    assert [*(await store.count_all(names, NOW + 30)).values()] == changed
    assert await store.count("begun", NOW + 129) == 1
    assert await store.find(AuthorizationCode, code().key) == code()


async def test_what_is_there_expires_later_with_what_is_added(store: Store) -> None:
    live, used = session(), code(expires_at=NOW + 60)
    await store.save(live, used, interim())
    later = [
        NewExpiry(Session, live.key, NOW + 999),
        NewExpiry(AuthorizationCode, used.key, NOW + 99.5),
        NewExpiry(Session, key_of("never there"), NOW + 999),
    ]

    gone = [named(interim())]
    assert await store.add(
        spent_transaction(), removed=gone, extended=later, records=[issued("code")]
    )
    assert not await store.add(
        spent_transaction(), extended=[NewExpiry(Session, live.key, NOW)], records=[issued("code")]
    )

    found = await store.find(Session, live.key)
    assert found == structs.replace(live, expires_at=NOW + 999)
    extended = await store.find(AuthorizationCode, used.key)
    assert extended == structs.replace(used, expires_at=NOW + 99.5)
    assert await store.held(Session, "anna") == (found,)


async def test_who_comes_second_changes_no_counter(store: Store) -> None:
    await store.bump_all({"reset": 60, "lowered": 60}, NOW)
    await store.add(spent_transaction())
    recount = Recount(reset=["reset"], lowered=["lowered"], begun={"begun": 60}, now=NOW)

    assert not await store.add(spent_transaction(), recount=recount)

    names = ("reset", "lowered", "begun")
    assert [*(await store.count_all(names, NOW)).values()] == [1, 1, 0]


async def test_what_is_added_with_another_replaces_one_of_its_kind_and_key(store: Store) -> None:
    await store.save(session())
    replaced = session(subject="berta", expires_at=NOW + 2)

    assert await store.add(spent_transaction(), replaced)

    assert await store.find(Session, replaced.key) == replaced
    assert await store.held(Session, "anna") == ()
    assert await store.held(Session, "berta") == (replaced,)


async def test_two_of_one_kind_are_added_with_another(store: Store) -> None:
    assert await store.add(spent_transaction(), interim("one"), interim("two"))

    assert len(await store.held(type(interim()), "anna")) == 2


async def test_i4_a_used_code_that_is_added_with_another_stays_used(store: Store) -> None:
    await store.save(code())
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("first"), NOW)
    await store.add(spent_transaction(), code(expires_at=NOW + 999))

    again = await store.redeem(AuthorizationCode, code().key, "tenant", buys("second"), NOW)

    assert again.outcome is RedemptionOutcome.REPLAYED


async def test_a_code_that_is_added_with_another_is_forgotten_with_its_person(
    store: Store,
) -> None:
    await store.add(spent_transaction(), code(), session())

    assert await store.forget("anna") == 2
    assert await store.find(AuthorizationCode, code().key) is None


def test_the_key_of_an_artifact_is_not_in_its_text() -> None:
    assert repr(named(session())) == "ArtifactKey(Session)"


# Taking and moving


@EACH
async def test_an_artifact_is_taken_once(store: Store, artifact: Artifact) -> None:
    await store.save(artifact)

    assert await store.take(type(artifact), artifact.key) == artifact
    assert await store.take(type(artifact), artifact.key) is None
    assert await store.find(type(artifact), artifact.key) is None
    assert await store.forget(artifact.subject_id) == 0
    assert await store.purge(NOW + 1_000_000) == 0


@EACH
async def test_an_expiry_moves_and_nothing_else(store: Store, artifact: Artifact) -> None:
    await store.save(artifact)

    assert await store.extend(type(artifact), artifact.key, artifact.expires_at + 0.5)

    found = await store.find(type(artifact), artifact.key)
    assert found is not None
    assert found.expires_at == artifact.expires_at + 0.5
    assert await store.extend(type(artifact), artifact.key, artifact.expires_at)
    assert await store.find(type(artifact), artifact.key) == artifact


async def test_a_used_code_that_expires_later_is_remembered_later(store: Store) -> None:
    await store.save(code())
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW)
    assert await store.extend(AuthorizationCode, code().key, NOW + 100)

    assert await store.purge(NOW + 100 + REPLAY_MEMORY - 0.5) == 0
    assert await store.find(AuthorizationCode, code().key) is not None
    assert await store.purge(NOW + 100 + REPLAY_MEMORY) == 1


async def test_what_is_gone_is_not_extended(store: Store) -> None:
    await store.save(session())
    await store.forget("anna")

    assert not await store.extend(Session, session().key, NOW + 999)
    assert await store.find(Session, session().key) is None


# Redeeming


async def test_r39_a_code_buys_an_access_token(store: Store) -> None:
    await store.save(code())

    redemption = await store.redeem(
        AuthorizationCode, code().key, "tenant", buys("token"), NOW + 1.5
    )

    assert redemption == Redemption(RedemptionOutcome.REDEEMED, code())
    assert await store.find(AccessToken, key_of("token")) == AccessToken(
        key=key_of("token"),
        grant_id=code().grant_id,
        subject_id="anna",
        client_id="tenant",
        expires_at=NOW + 1.5 + code().lifetime,
        user_id="key of anna",
        login_id=code().login_id,
        login_kind=LoginKind.APP,
    )


async def test_a_code_buys_a_refresh_token_where_one_is_wanted(store: Store) -> None:
    await store.save(code())

    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token", "refresh"), NOW)

    found = await store.find(RefreshToken, key_of("refresh"))
    assert found is not None
    assert found.expires_at == NOW + 7_200
    assert found.grant_id == code().grant_id
    assert (found.lifetime, found.expires_in) == (code().lifetime, code().expires_in)


async def test_an_unknown_code_buys_nothing(store: Store) -> None:
    redemption = await store.redeem(
        AuthorizationCode, key_of("nothing"), "tenant", buys("token"), NOW
    )

    assert redemption == Redemption(RedemptionOutcome.UNKNOWN)
    assert await store.find(AccessToken, key_of("token")) is None


async def test_r41_an_access_token_buys_nothing(store: Store) -> None:
    await store.save(access_token())

    redemption = await store.redeem(
        AuthorizationCode, access_token().key, "tenant", buys("token"), NOW
    )

    assert redemption.outcome is RedemptionOutcome.UNKNOWN


async def test_r35_anothers_code_stays_good_for_its_owner(store: Store) -> None:
    await store.save(code())

    foreign = await store.redeem(AuthorizationCode, code().key, "other", buys("stolen"), NOW)
    owners = await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW)

    assert foreign == Redemption(RedemptionOutcome.FOREIGN, code())
    assert await store.find(AccessToken, key_of("stolen")) is None
    assert owners.outcome is RedemptionOutcome.REDEEMED


async def test_r36_anothers_used_code_revokes_nothing(store: Store) -> None:
    await store.save(code())
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW)

    foreign = await store.redeem(AuthorizationCode, code().key, "other", buys("stolen"), NOW)

    assert foreign.outcome is RedemptionOutcome.FOREIGN
    assert await store.find(AccessToken, key_of("token")) is not None


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (NOW + 59.999, RedemptionOutcome.REDEEMED),
        (NOW + 60.0, RedemptionOutcome.EXPIRED),
        (NOW + 9_999.0, RedemptionOutcome.EXPIRED),
    ],
)
async def test_a_code_is_good_until_it_expires(
    store: Store, now: float, outcome: RedemptionOutcome
) -> None:
    await store.save(code())

    redemption = await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), now)

    assert redemption == Redemption(outcome, code())
    bought = await store.find(AccessToken, key_of("token"))
    assert (bought is not None) == (outcome is RedemptionOutcome.REDEEMED)


async def test_r36_second_use_revokes_the_token(store: Store) -> None:
    await store.save(code(), code("bystander"))
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token", "refresh"), NOW)
    await store.redeem(AuthorizationCode, code("bystander").key, "tenant", buys("safe"), NOW)

    replay = await store.redeem(AuthorizationCode, code().key, "tenant", buys("second"), NOW)

    assert replay == Redemption(RedemptionOutcome.REPLAYED, code())
    assert await store.find(AccessToken, key_of("token")) is None
    assert await store.find(RefreshToken, key_of("refresh")) is None
    assert await store.find(AccessToken, key_of("second")) is None
    assert await store.find(AccessToken, key_of("safe")) is not None


async def test_r37_replay_is_seen_again_and_again_and_after_the_expiry(store: Store) -> None:
    await store.save(code())
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW)

    for later in (0.0, 30.0, 60.0, 61.0, 60.0 + REPLAY_MEMORY - 1):
        await store.purge(NOW + later)
        replay = await store.redeem(
            AuthorizationCode, code().key, "tenant", buys("again"), NOW + later
        )
        assert replay.outcome is RedemptionOutcome.REPLAYED


async def test_a_refresh_token_is_replaced_at_every_use(store: Store) -> None:
    await store.save(refresh_token("first", grant="g"))

    for used, new in (("first", "second"), ("second", "third")):
        redemption = await store.redeem(
            RefreshToken, key_of(used), "tenant", buys(f"token of {used}", new), NOW
        )
        assert redemption.outcome is RedemptionOutcome.REDEEMED

    assert await store.find(AccessToken, key_of("token of first")) is not None
    assert await store.find(AccessToken, key_of("token of second")) is not None


async def test_reuse_of_a_refresh_token_revokes_all_that_came_of_it(store: Store) -> None:
    await store.save(refresh_token("first", grant="g"))
    await store.redeem(RefreshToken, key_of("first"), "tenant", buys("a", "second"), NOW)
    await store.redeem(RefreshToken, key_of("second"), "tenant", buys("b", "third"), NOW)

    replay = await store.redeem(RefreshToken, key_of("first"), "tenant", buys("c", "x"), NOW)

    assert replay.outcome is RedemptionOutcome.REPLAYED
    for token in "abc":
        assert await store.find(AccessToken, key_of(token)) is None
    third = await store.redeem(RefreshToken, key_of("third"), "tenant", buys("d"), NOW)
    assert third.outcome is RedemptionOutcome.UNKNOWN
    second = await store.redeem(RefreshToken, key_of("second"), "tenant", buys("e"), NOW)
    assert second.outcome is RedemptionOutcome.REPLAYED


# Revoking and forgetting


async def test_r36_r37_a_replay_revokes_the_grant_and_remembers_its_used_codes(
    store: Store,
) -> None:
    bystander = access_token("bystander", grant="other")
    held = [artifact for artifact in one_of_each(grant="g") if artifact != code(grant="g")]
    await store.save(code(grant="g"), code("used too", grant="g"), *held, bystander)
    for used in (code().key, key_of("used too")):
        await store.redeem(AuthorizationCode, used, "tenant", buys(used), NOW)

    replay = await store.redeem(AuthorizationCode, code().key, "tenant", buys("again"), NOW)

    assert replay.outcome is RedemptionOutcome.REPLAYED
    for artifact in held:
        assert await store.find(type(artifact), artifact.key) is None
    assert await store.find(AccessToken, bystander.key) == bystander
    for used in (code().key, key_of("used too")):
        again = await store.redeem(AuthorizationCode, used, "tenant", buys("again"), NOW)
        assert again.outcome is RedemptionOutcome.REPLAYED, "used codes are remembered (R-37)"


async def test_r30_a_person_is_forgotten_with_all_that_they_hold(store: Store) -> None:
    await store.save(*one_of_each(subject="anna"), code("used"))
    await store.redeem(AuthorizationCode, key_of("used"), "tenant", buys("token"), NOW)
    await store.save(session("berta", subject="berta"))

    assert await store.forget("anna") == 8
    assert await store.forget("anna") == 0
    assert await store.find(AccessToken, key_of("token")) is None
    for name in ("code", "used"):
        redemption = await store.redeem(
            AuthorizationCode, key_of(name), "tenant", buys("again"), NOW
        )
        assert redemption.outcome is RedemptionOutcome.UNKNOWN
    assert await store.find(Session, key_of("berta")) is not None


# Counting


async def test_a_counter_counts(store: Store) -> None:
    assert [await store.bump("c", 60, NOW + second) for second in range(4)] == [1, 2, 3, 4]
    assert await store.count("c", NOW + 4) == 4


async def test_counters_are_apart(store: Store) -> None:
    await store.bump("c", 60, NOW)

    assert await store.count("d", NOW) == 0
    assert await store.bump("d", 60, NOW) == 1


async def test_a_counter_starts_afresh_a_window_after_its_first(store: Store) -> None:
    await store.bump("c", 60, NOW)
    await store.bump("c", 60, NOW + 59)

    assert await store.count("c", NOW + 59.9) == 2
    assert await store.count("c", NOW + 60) == 0
    assert await store.bump("c", 10, NOW + 60) == 1
    assert await store.count("c", NOW + 69.9) == 1
    assert await store.count("c", NOW + 70) == 0


async def test_r274_a_counter_begun_while_the_clock_was_ahead_begins_again(store: Store) -> None:
    for counter, ahead in (("c", 30 * 86_400), ("d", CLOCK_SET_BACK + 1), ("e", CLOCK_SET_BACK)):
        await store.bump(counter, 86_400, NOW + ahead)  # "e" by a node that is a little ahead

    assert await store.bump("c", 86_400, NOW) == 1
    assert await store.bump("c", 86_400, NOW + 1) == 2
    assert await store.bump_all({"d": 86_400, "e": 86_400}, NOW) == (1, 2)
    assert await store.count("c", NOW + 86_400) == 0


async def test_counters_are_set_back(store: Store) -> None:
    for name in "abc":
        await store.bump(name, 60, NOW)

    await store.reset("a", "b", "unknown")
    await store.reset()

    assert [await store.count(name, NOW) for name in "abc"] == [0, 0, 1]
    assert await store.purge(NOW + 60) == 1


async def test_counters_are_lowered_to_nothing_and_no_further(store: Store) -> None:
    for name in "aab":
        await store.bump(name, 60, NOW)

    await store.lower("a", "b", "unknown")
    await store.lower("b")
    await store.lower()

    assert [await store.count(name, NOW) for name in ("a", "b", "unknown")] == [1, 0, 0]
    assert await store.bump("b", 60, NOW + 1) == 1
    assert await store.count("a", NOW + 60) == 0, "the window is as it was"


# Cleaning


async def test_r110_purge_removes_what_has_expired_and_nothing_else(store: Store) -> None:
    await store.save(*one_of_each(), access_token("later", expires_at=NOW + 10_000))
    await store.bump("c", 60, NOW)
    await store.bump("long", 10_000, NOW)

    assert await store.purge(NOW) == 0
    assert await store.purge(NOW + 601) == 7
    assert await store.purge(NOW + 601) == 0
    for artifact in one_of_each():
        assert await store.find(type(artifact), artifact.key) is None
    assert await store.find(AccessToken, key_of("later")) is not None
    assert await store.count("long", NOW) == 1


@EACH
async def test_r110_what_expires_now_is_purged_now(store: Store, artifact: Artifact) -> None:
    await store.save(structs.replace(artifact, expires_at=NOW))

    assert await store.purge(NOW - 0.5) == 0
    assert await store.purge(NOW) == 1


async def test_r37_purge_keeps_a_used_code_longer_than_an_unused_one(store: Store) -> None:
    await store.save(code("used"), code("unused"))
    await store.redeem(AuthorizationCode, key_of("used"), "tenant", buys("token"), NOW)

    assert await store.purge(NOW + 60) == 1
    assert await store.find(AuthorizationCode, key_of("unused")) is None
    assert await store.find(AuthorizationCode, key_of("used")) is not None
    assert await store.purge(NOW + 60 + REPLAY_MEMORY - 0.5) == 0
    assert await store.purge(NOW + 60 + REPLAY_MEMORY) == 1
    assert await store.find(AuthorizationCode, key_of("used")) is None


async def test_purge_goes_in_steps(store: Store) -> None:
    await store.save(*(access_token(f"{n}") for n in range(7)))
    await store.save(*(session(f"{n}") for n in range(4)))
    for n in range(3):
        await store.bump(f"{n}", 60, NOW)

    steps = [await store.purge(NOW + 999, limit=5) for _ in range(4)]

    assert steps == [5, 5, 4, 0]


async def test_purge_removes_five_hundred_at_most_unless_told_otherwise(store: Store) -> None:
    for some in portions(range(501), 100):
        await store.save(*(access_token(f"{number}") for number in some))

    assert await store.purge(NOW + 10_000) == 500
    assert await store.purge(NOW + 10_000) == 1


async def test_a_store_answers_a_ping_and_is_as_it_was(store: Store) -> None:
    await store.save(code())

    await store.ping()
    await store.ping()

    assert await store.find(AuthorizationCode, code().key) == code()
    assert await store.purge(NOW) == 0


# Several counters at once


async def test_several_counters_are_counted_and_read_at_once(store: Store) -> None:
    await store.bump("b", 60, NOW)
    await store.bump("over", 60, NOW - 60)

    assert await store.bump_all({"z": 60, "b": 60, "over": 60}, NOW + 1) == (1, 2, 1)

    counts = await store.count_all(["b", "none", "z", "over"], NOW + 1)
    assert counts == {"b": 2, "none": 0, "z": 1, "over": 1}
    assert await store.count_all(["b", "z"], NOW + 60) == {"b": 0, "z": 1}
    assert await store.count_all([], NOW) == {}
    assert await store.bump_all({}, NOW) == ()


async def test_counters_are_set_back_lowered_and_begun_at_once(store: Store) -> None:
    for counter in ("reset", "lowered", "lowered", "begun", "begun", "kept"):
        await store.bump(counter, 60, NOW)

    await store.recount(
        reset=["reset", "never there"],
        lowered=["lowered", "nothing left"],
        begun={"begun": 100, "new": 10},
        now=NOW + 30,
    )

    names = ("reset", "lowered", "begun", "new", "kept", "nothing left")
    assert [*(await store.count_all(names, NOW + 30)).values()] == [0, 1, 1, 1, 1, 0]
    assert [*(await store.count_all(names, NOW + 40)).values()] == [0, 1, 1, 0, 1, 0]
    assert [*(await store.count_all(names, NOW + 129)).values()] == [0, 0, 1, 0, 0, 0]


async def test_counters_are_recounted_where_there_is_nothing_to_do(store: Store) -> None:
    await store.bump("c", 60, NOW)

    await store.recount(reset=[], now=NOW)

    assert await store.count("c", NOW) == 1


async def test_what_is_begun_again_is_purged_when_it_is_over(store: Store) -> None:
    await store.recount(reset=[], begun={"c": 100}, now=NOW)
    await store.recount(reset=[], begun={"c": 100}, now=NOW + 50)

    assert await store.purge(NOW + 149) == 0
    assert await store.purge(NOW + 150) == 1
