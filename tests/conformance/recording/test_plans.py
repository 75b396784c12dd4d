"""What is sent in place of each value, and what is not replayed, with its reason."""

from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest

from worksgate.conformance.recording.abstraction import _parameter
from worksgate.conformance.recording.calls import Answer, Call, Parameter
from worksgate.conformance.recording.file import Ended, Ending, Recording
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.plans import NotReplayed, Plan, Planner, Reason, Source
from worksgate.conformance.recording.relations import Relations, winners_first
from worksgate.conformance.recording.replaying import _escaped, made_up
from worksgate.conformance.recording.stand_ins import StandInClient, StandInPerson, StandIns

STAND_INS = StandIns(
    [StandInClient("live", "secret", "https://auth.worksmobile.com/cb")],
    [StandInPerson("one", "p"), StandInPerson("two", "p")],
)


def hashed(text: str) -> str:
    return f"{text:_<16}"


def parameters(**values: str) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(name, id=hashed(value), length="17-32" if value else "0", characters="token")
        for name, value in values.items()
    )


def refused(error: str, status: int = 400) -> Answer:
    return Answer(status, "json", {"error": "string"}, {"error": error})


def sign_in(at: float, code: str) -> Call:
    answer = Answer(303, ids={"code": hashed(code)}, goes_to="redirect_uri")
    return Call(kind=Kind.SIGN_IN, at=at, seconds=0.1, answer=answer)


def token_call(
    at: float,
    code: str = "code",
    token: str | None = "token",
    answer: Answer | None = None,
    **changes: str,
) -> Call:
    values = {"client_id": "client", "client_secret": "right", "code": code, **changes}
    given = {"access_token": hashed(token)} if token else {}
    lifetime = {"expires_in": 3600}
    answer = answer or Answer(200, "json", {"access_token": "string"}, lifetime, given)
    return Call(kind=Kind.TOKEN, at=at, seconds=0.1, answer=answer, parameters=parameters(**values))


def info_call(at: float, token: str = "token", answer: Answer | None = None) -> Call:
    values = {"client_id": "client", "client_secret": "right", "access_token": token}
    answer = answer or Answer(200, "json", {"user_id": "string"}, {}, {"user_id": hashed("person")})
    return Call(
        kind=Kind.USER_INFO, at=at, seconds=0.1, answer=answer, parameters=parameters(**values)
    )


def plan(*calls: Call, stand_ins: StandIns = STAND_INS) -> Plan:
    """The plan of the last of these calls."""
    return Planner(Relations.of(calls), stand_ins).plan(calls[-1])


def sources(planned: Plan) -> dict[str, Source]:
    return {value.name: value.source for value in planned.values}


def reason(*calls: Call, stand_ins: StandIns = STAND_INS) -> Reason:
    with pytest.raises(NotReplayed) as not_replayed:
        plan(*calls, stand_ins=stand_ins)
    return not_replayed.value.reason


def test_a_code_is_that_of_its_own_sign_in() -> None:
    planned = plan(sign_in(0, "code"), token_call(1))
    assert sources(planned) == {
        "client_id": Source.CLIENT_ID,
        "client_secret": Source.CLIENT_SECRET,
        "code": Source.CODE,
    }
    assert planned.values[2].what == hashed("code")
    assert planned.waits is None


def test_a_used_code_is_presented_again_at_once() -> None:
    planned = plan(sign_in(0, "code"), token_call(1), token_call(2, answer=refused("302")))
    assert sources(planned)["code"] is Source.CODE
    assert planned.waits is None


def test_of_calls_with_one_code_side_by_side_the_one_that_got_the_token_is_first() -> None:
    lost, won, later = token_call(1.0, answer=refused("302")), token_call(1.05), info_call(1.2)
    ordered = winners_first([sign_in(0, "code"), lost, won, later])
    assert [each.answer.error for each in ordered] == [None, None, "302", None]
    assert ordered[1] is won
    assert plan(*ordered[:3]).waits is None  # the refusal is that of a used code, not of an old one


def test_calls_with_one_code_after_each_other_keep_their_order() -> None:
    calls = [token_call(1.0, answer=refused("302")), token_call(1.2)]
    assert winners_first(calls) == calls


def test_a_code_that_was_refused_at_its_first_use_has_to_be_as_old() -> None:
    planned = plan(sign_in(0, "code"), token_call(61.1, answer=refused("302")))
    assert planned.waits is not None
    assert planned.waits[0] == hashed("code")
    assert planned.waits[1] == pytest.approx(61.0)


def test_a_code_nobody_got_is_made_up() -> None:
    known = token_call(0, "other")
    assert sources(plan(known, token_call(1, answer=refused("302"))))["code"] is Source.MADE_UP


@pytest.mark.parametrize("value", ["E-1001", "123456", "a+b/c=", "a b!", "社員番号", b"\xff\xfeab"])
def test_what_is_made_up_is_of_the_class_of_what_was_recorded(value: str | bytes) -> None:
    recorded = value.encode() if isinstance(value, str) else value
    shape = _parameter("code", recorded, lambda name, text: "id")
    sent = unquote_to_bytes(_escaped(made_up(shape)))
    assert sent != recorded
    assert _parameter("code", sent, lambda name, text: "id") == shape


def test_a_code_of_a_sign_in_before_is_earned() -> None:
    assert sources(plan(token_call(1)))["code"] is Source.CODE


def test_a_wrong_secret_is_replaced_by_a_wrong_secret() -> None:
    wrong = token_call(2, answer=refused("301", 401), client_secret="wrong")
    found = sources(plan(token_call(1, "other"), wrong))
    assert found["client_secret"] is Source.MADE_UP
    assert found["client_id"] is Source.CLIENT_ID


def test_a_client_nobody_knew_is_made_up() -> None:
    stranger = token_call(2, answer=refused("301", 401), client_id="stranger")
    assert sources(plan(token_call(1, "other"), stranger))["client_id"] is Source.MADE_UP


def test_a_token_whose_code_was_used_again_is_presented() -> None:
    calls = [sign_in(0, "code"), token_call(1), token_call(2, answer=refused("302"))]
    planned = plan(*calls, info_call(3, answer=refused("303", 401)))
    assert sources(planned)["access_token"] is Source.TOKEN
    assert planned.waits is None


def test_a_token_past_its_lifetime_has_to_be_as_old() -> None:
    calls = [sign_in(0, "code"), token_call(1)]
    planned = plan(*calls, info_call(4000, answer=refused("303", 401)))
    assert planned.waits is not None
    assert planned.waits[0] == hashed("token")
    assert planned.waits[1] == pytest.approx(3998.9)


def test_empty_and_unknown_parameters_stay_what_they_are() -> None:
    found = sources(plan(token_call(1, "", answer=refused("201"), other="x")))
    assert (found["code"], found["other"]) == (Source.EMPTY, Source.MADE_UP)


def test_people_take_turns_if_there_are_too_few() -> None:
    planner = Planner(Relations.of(()), STAND_INS)
    assert [planner.person(name) for name in ("a", "b", "c", "a")] == [0, 1, 0, 0]
    assert planner.people == 3


SIGN_IN = (sign_in(0, "code"), token_call(1))


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (token_call(2, answer=Answer(None)), Reason.NO_ANSWER),
        (token_call(2, answer=refused("server_error", 503)), Reason.OUTAGE),
        (token_call(2, answer=refused("301", 429)), Reason.THROTTLED),
        (token_call(2, answer=refused("101", 403)), Reason.DENIED),
        (token_call(2, answer=refused("201", 413)), Reason.TOO_LARGE),
        (token_call(2, answer=refused("201", 408)), Reason.UNFINISHED),
        (token_call(2, answer=refused("301", 401)), Reason.SECRET_CHANGED),
        (info_call(2, answer=refused("303", 401)), Reason.TOKEN_ENDED),
        (token_call(2, "", refresh_token="before"), Reason.OLD_REFRESH_TOKEN),
    ],
)
def test_r224_what_cannot_be_re_enacted_is_not_sent_and_says_why(call: Call, why: Reason) -> None:
    assert reason(*SIGN_IN, call) is why


def test_r224_a_client_without_a_stand_in_is_not_replayed() -> None:
    more = [token_call(n, f"code{n}", client_id="second") for n in (2, 3, 4)]
    assert reason(*more, token_call(9)) is Reason.NO_CLIENT


def login_call(at: float, answer: Answer, redirect: str = "uri", **changes: str) -> Call:
    literal = {"response_type": "code", **changes}
    uri = Parameter(
        "redirect_uri", id=hashed(redirect), length="65-128", base=hashed("cb"), has_query=True
    )
    sent = (*(Parameter(name, value) for name, value in literal.items()), uri)
    sent += parameters(client_id="client")
    return Call(kind=Kind.LOGIN, at=at, seconds=0.1, answer=answer, parameters=sent)


def test_a_refusal_for_something_in_the_redirect_uri_is_not_replayed() -> None:
    page, no = Answer(200, "html"), Answer(400, "html")
    accepted, refused_one = login_call(0, page), login_call(1, no, "with a fragment")
    assert reason(accepted, refused_one) is Reason.REDIRECT_URI
    assert plan(accepted, login_call(1, no, response_type="token")).values
    assert plan(refused_one).values  # its redirect_uri may be one that nobody has registered


@pytest.mark.parametrize("user_agent", ["LineWorks", ""])
def test_a_code_for_an_app_is_known_by_its_login(user_agent: str) -> None:
    changes = {"userAgent": user_agent} if user_agent else {}
    given = {"code": hashed("code"), "redirect": hashed("uri")}
    entered = Call(
        kind=Kind.SIGN_IN, at=1, seconds=0.1, answer=Answer(303, ids=given, goes_to="redirect_uri")
    )
    by_session = login_call(2, Answer(303, ids={"code": hashed("other")}), "second", **changes)
    found = Relations.of((login_call(0, Answer(200, "html"), **changes), entered, by_session))
    assert found.is_of_app(hashed("code")) is bool(user_agent)
    assert found.is_of_app(hashed("other")) is bool(user_agent)
    assert not found.is_of_app(hashed("of nobody"))


def test_a_code_is_of_the_client_whose_sign_in_page_was_shown() -> None:
    shown = login_call(1, Answer(200, "html"))
    others = (*shown.parameters[:-1], *parameters(client_id="other"))
    refused_one = replace(shown, at=0, parameters=others, answer=Answer(400, "html"))
    given = {"code": hashed("code"), "redirect": hashed("uri")}
    entered = replace(sign_in(2, "code"), answer=Answer(303, ids=given, goes_to="redirect_uri"))
    found = Relations.of((refused_one, shown, entered))
    assert found.client_of_code(hashed("code")) == hashed("client")


def of_machine(began: float, *calls: Call, name: str = "") -> Recording:
    """A file of one machine, whose hashes are its own."""

    def own(parameter: Parameter) -> Parameter:
        return replace(parameter, id=hashed(f"{name}{parameter.id}"[:16]))

    changed = [replace(each, parameters=tuple(map(own, each.parameters))) for each in calls]
    ended = Ended(Ending.STOPPED, began + 60, len(calls), 1)
    return Recording(began, tuple(changed), ended)


def test_the_files_of_several_machines_are_one_in_the_order_of_their_times() -> None:
    one = of_machine(1_000.0, token_call(5.0), token_call(9.0, code="late"), name="a")
    other = of_machine(1_003.0, info_call(4.0), token_call(20.0, code="last"), name="b")
    merged = Recording.merged([one, other])
    assert [call.at for call in merged.calls] == [5.0, 7.0, 9.0, 23.0]
    assert [call.file for call in merged.calls] == [1, 2, 1, 2]
    assert merged.began == 1_000.0
    assert merged.ended == Ended(Ending.STOPPED, 1_063.0, 4, 2)
    planner = Planner(Relations.of(merged.calls), STAND_INS)
    for call in merged.calls:
        (client, *_) = planner.plan(call).values
        assert (client.source, client.client) == (Source.CLIENT_ID, 0)
    assert merged.calls[1].place == "2:0"
    cut_off = replace(other, ended=None)
    assert Recording.merged([one, cut_off]).ended is None
    assert Recording.merged([one]) is one
