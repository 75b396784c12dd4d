"""What a sign-in costs: each request of it, in turns with the token calls of the same server.

    token      LINE WORKS redeems a code; what all others are compared with
    code       a browser with a live session comes from LINE WORKS, and goes back with a code
    page       a browser without one gets the sign-in page
    form       a name and a right password are sent; measured without the hash, which has threads
    userinfo   LINE WORKS asks who it is

A sign-in is a page, a form, a token call and a user info call; for whoever has a session it is a
code and the two calls. After each round the database is looked into: it holds the very codes that
were answered, no others, with their records, and LINE WORKS can redeem them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import profiling
import tls
from contestants import Contestant, Worksgate, WorksgateWithLightHashes
from databases import running_postgres
from elsewhere import OnPostgresWithLightHashes, WorksgateOnPostgres
from load import Failed, Result, Template
from measures import SPARE, TOKENS, Plan, hashing_alone, running
from metered import Facts, Metered
from other_sources import Source, with_ldap, with_openid
from provision import Missing
from sessions import Browsers, code_in
from signin_peers import NodeRequests, NodeWithPages
from signin_report import PACE
from storm import login_call, page_call, prepare_people

from worksgate.credentials.secrets import storage_key

Rounds = dict[str, list[Facts]]
Measures = Mapping[str, Callable[[float], Facts]]
"""Kinds of request by name; each is sent for so many seconds."""

WARM_UP = 2.0
"""Seconds of each kind before the first round: code is loaded, caches are filled."""
FULLEST = 0.7
"""Of what the hashing threads can do the pace is at most so much: nobody is to wait for a hash."""

_LONGER = 2
"""Times as long as the other loads, for at a pace there are few answers."""


def signin(plan: Plan, *, peers: bool, profile: bool) -> dict[str, Any]:
    """Rounds by store and kind; what cannot be measured here is said in ``left_out``."""
    found: dict[str, Any] = {"sqlite": _on_sqlite(plan), "left_out": {}}
    others: dict[str, Callable[[], Any]] = {
        "paced": lambda: _paced(plan),
        "tls": lambda: tls.token_calls(plan),
        "postgres": lambda: _on_postgres(plan),
        "openid": lambda: _of_source(plan, "openid", with_openid(plan.folder)),
        "ldap": lambda: _of_source(plan, "ldap", with_ldap(plan.folder)),
    }
    if peers:
        others["node"] = lambda: _peer(plan)
    if profile:
        others["profile"] = lambda: _profile(plan)
    for name, measure in others.items():
        try:
            found[name] = measure()
        except (Missing, Failed) as problem:
            plan.say(f"signin: {name} is left out: {problem}")
            found["left_out"][name] = str(problem)
    return found


class Requests:
    """The requests of a sign-in at one installation that is served; each kind for a while.

    A method sends one kind for so many seconds, looks into the database afterwards, and returns
    what the answers cost. It raises Failed where one was not what it should be. ``meanwhile`` makes
    what goes on during each load.
    """

    def __init__(
        self,
        plan: Plan,
        installation: Worksgate,
        database: int | None = None,
        browsers: Browsers | None = None,
        meanwhile: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._installation = installation
        self._metered = Metered(plan, installation.server, database)
        self._locations = plan.folder / "locations"
        self._browsers = browsers
        self._tokens: Sequence[str] = ()
        self._meanwhile = meanwhile
        self._rates = {"token": 4_000.0, "code": 1_500.0, "form": 400.0}

    def token(self, seconds: float, pace: int | None = None) -> Facts:
        codes = self._installation.codes(self._count("token", seconds, pace))
        template = self._installation.token_call(codes)
        result, facts = self._send("token", template, codes, seconds, pace=pace)
        self._check_tokens(result.answers)
        return facts

    def userinfo(self, seconds: float) -> Facts:
        self._tokens = self._tokens or self._installation.tokens(TOKENS)
        template = self._installation.user_info_call(self._tokens)
        result, facts = self._send("userinfo", template, self._tokens, seconds, once=False)
        self._installation.check_audit("userinfo", result.answers)
        return facts

    def page(self, seconds: float) -> Facts:
        states = [f"{number:08}" for number in range(TOKENS)]
        _, facts = self._send("page", page_call(self._installation), states, seconds, once=False)
        return facts

    def code(self, seconds: float) -> Facts:
        """Codes by live sessions, which LINE WORKS redeems when the load is over."""
        installation = self._installation
        self._browsers = self._browsers or Browsers.signed_in(installation)
        template, values = self._browsers.code_call(self._count("code", seconds))
        keys, records = installation.code_keys(), installation.records("code.issued")
        result, facts = self._send("code", template, values, seconds, locations=self._locations)
        codes = [code_in(line) for line in self._locations.read_text("utf-8").splitlines()]
        kept = installation.code_keys() - keys
        if len(codes) != result.answers or kept != {*map(storage_key, codes)}:
            raise Failed(f"{result.answers} answers, {len(codes)} codes, {len(kept)} of them kept")
        installation.check_records("code.issued", records, result.answers)
        self._redeem(codes)
        return facts

    def form(self, seconds: float, pace: int | None = None) -> Facts:
        installation = self._installation
        template, forms = login_call(installation, self._count("form", seconds, pace))
        records = installation.records("login.succeeded")
        result, facts = self._send("form", template, forms, seconds, pace=pace)
        installation.check_records("login.succeeded", records, result.answers)
        return facts

    def _count(self, kind: str, seconds: float, pace: int | None = None) -> int:
        """As many requests as a load of this kind may need, going by the one before."""
        return int((pace or self._rates[kind]) * seconds * SPARE) + 200

    def _redeem(self, codes: Sequence[str]) -> None:
        """Let LINE WORKS redeem all of them. Raises Failed where one buys no token."""
        self._installation.expect_tokens()
        template, left = self._installation.token_call(codes), codes
        while left:
            seconds = len(left) / self._rates["token"] + 0.5
            left = left[self._metered.load(template, left, seconds).answers :]
        self._check_tokens(len(codes))

    def _check_tokens(self, answers: int) -> None:
        self._installation.check_tokens(answers)
        self._installation.check_audit("token", answers)

    def _send(
        self, kind: str, template: Template, values: Sequence[str], seconds: float, **how: Any
    ) -> tuple[Result, Facts]:
        meanwhile = self._meanwhile()
        result, facts = self._metered.send(template, values, seconds, meanwhile=meanwhile, **how)
        if kind in self._rates:
            self._rates[kind] = result.rate * (2 if result.ran_out else 1)
        return result, facts


def _turns(plan: Plan, where: str, measures: Measures, rounds: int) -> Rounds:
    """Rounds in which each has its turn, so that what disturbs one disturbs the others."""
    for measure in measures.values():
        measure(min(WARM_UP, plan.seconds))
    found: Rounds = {kind: [] for kind in measures}
    for number in range(rounds):
        for kind, measure in measures.items():
            facts = measure(plan.seconds)
            found[kind].append(facts)
            plan.say(
                f"signin    round {number + 1}/{rounds}  {where:8} {kind:8} "
                f"{facts['rate']:8,.0f}/s  p99 {facts['p99_ms']:6.1f} ms  "
                f"{facts['server_us']:7,.0f} µs, loop {facts['loop_us']:6,.0f}, "
                f"database {facts['database_us']:5,.0f}"
            )
    return found


def _on_sqlite(plan: Plan) -> Rounds:
    plain = Worksgate(plan.folder / "signin")
    light = WorksgateWithLightHashes(plan.folder / "signin_light")
    return _of_store(plan, "SQLite", plain, light, None)


def _on_postgres(plan: Plan) -> Rounds:
    with running_postgres(plan.folder / "signin_postgres_server", plan.cores.load) as server:
        plain = WorksgateOnPostgres(plan.folder / "signin_postgres", server)
        light = OnPostgresWithLightHashes(plan.folder / "signin_postgres_light", server)
        return _of_store(plan, "Postgres", plain, light, server.pid)


def _of_store(
    plan: Plan, where: str, plain: Worksgate, light: Worksgate, database: int | None
) -> Rounds:
    """All kinds; the form at an installation of its own, where hashes cost next to nothing."""
    both: list[Contestant] = [plain, light]
    for installation in (plain, light):
        prepare_people(installation)
    with running(both, plan.cores.server):
        requests = Requests(plan, plain, database)
        measures: Measures = {
            "token": requests.token,
            "code": requests.code,
            "page": requests.page,
            "userinfo": requests.userinfo,
            "form": Requests(plan, light, database).form,
        }
        return _turns(plan, where, measures, plan.rounds)


def _of_source(plan: Plan, where: str, opened: AbstractContextManager[Source]) -> Rounds:
    """Codes for people of another source than the built-in directory, on SQLite."""
    with opened as source, running([source.installation], plan.cores.server):
        browsers = source.browsers(source.installation)
        requests = Requests(plan, source.installation, source.server_pid, browsers)
        measures: Measures = {"token": requests.token, "code": requests.code}
        return _turns(plan, where, measures, min(plan.rounds, 3))


def _paced(plan: Plan) -> dict[str, Any]:
    """Forms with their real hashes at a steady pace, and token calls at the same.

    The server has all cores, and a hashing thread on each. At a pace at which the loop rests
    between two requests each of them costs more than when one follows upon the other; so a form
    is compared with a token call that comes as seldom.
    """
    threads = len(plan.cores.all)
    pace = min(PACE, int(hashing_alone(threads, min(plan.seconds, 4.0)) * FULLEST))
    installation = Worksgate(plan.folder / "paced", WORKSGATE_HASHING_THREADS=str(threads))
    prepare_people(installation)
    with running([installation], None):
        requests = Requests(plan, installation)
        measures: Measures = {
            "token": lambda seconds: requests.token(_LONGER * seconds, pace),
            "form": lambda seconds: requests.form(_LONGER * seconds, pace),
        }
        found = _turns(plan, f"{pace}/s", measures, plan.rounds)
    return {"pace": pace, "hashing_threads": threads, **found}


def _peer(plan: Plan) -> Rounds:
    """node-oidc-provider, which does the same."""
    node = NodeWithPages(plan.folder / "signin_node")
    with running([node], plan.cores.server):
        requests = NodeRequests(plan, node)
        measures: Measures = {
            "token": requests.token,
            "code": requests.code,
            "page": requests.page,
        }
        return _turns(plan, "node", measures, min(plan.rounds, 3))


def _profile(plan: Plan) -> dict[str, dict[str, float]]:
    """Where the event loop spends the time of a page, a code and a form: shares by file."""
    plain = Worksgate(plan.folder / "profile")
    light = WorksgateWithLightHashes(plan.folder / "profile_light")
    for installation in (plain, light):
        prepare_people(installation)
    seconds, file = max(plan.seconds, 4.0), plan.folder / "stacks"
    found = {}
    with running([plain, light], plan.cores.server):
        for kind, installation in (("page", plain), ("code", plain), ("form", light)):
            pid = installation.server.process.pid
            record = partial(profiling.recording, pid, file, seconds)
            getattr(Requests(plan, installation), kind)(min(WARM_UP, plan.seconds))
            getattr(Requests(plan, installation, meanwhile=record), kind)(seconds)
            found[kind] = profiling.shares(file.read_text("utf-8"))
            plan.say(f"profile   {kind}: {found[kind]}")
    return found
