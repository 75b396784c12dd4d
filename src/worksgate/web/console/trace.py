"""“Why can’t she get in?”: the trace of a person, a reference, an address or a time, as a page."""

from dataclasses import dataclass
from datetime import UTC, tzinfo

from starlette.responses import Response

from worksgate.administration.errors import Forbidden
from worksgate.administration.roles import Permission, Role, may
from worksgate.administration.sign_in_trace import Ambiguous, Speaker, Trace
from worksgate.administration.sign_in_trace.facts import LineWorksAnswer
from worksgate.administration.sign_in_trace.gates import GateState
from worksgate.administration.sign_in_trace.localized import Text
from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.administration.sign_in_trace.question import Kind, read_question
from worksgate.administration.sign_in_trace.report import SpokenTrace, SpokenTry
from worksgate.administration.sign_in_trace.sentences import LINE_WORKS
from worksgate.provider.throttle import TooManyAttempts
from worksgate.sources import Person
from worksgate.web.console.addresses import address_for, sees_addresses
from worksgate.web.console.next_pages import NextPage, next_page
from worksgate.web.console.pages import Words
from worksgate.web.console.visit import Visit

LONGEST = 200
"""Characters of a question."""
ASKED = 10
"""People about whom one administrator has LINE WORKS asked within ``WINDOW`` seconds."""
WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class ShownTrace:
    """A trace in the language of the administrator, with no more than their role may see.

    ``waits`` is whether no password may be checked now where they tried last.
    """

    spoken: SpokenTrace
    role: Role | None
    waits: bool
    there: LineWorksAnswer
    try_url: str | None
    """What to send to the person: it begins a sign-in at LINE WORKS."""
    action: Action
    next_page: NextPage | None
    """Where the next step is done, whoever may do it."""
    at_line_works: str
    """What is said of what comes after the last step."""

    @property
    def shut_at(self) -> int | None:
        """The number of the first gate that is shut, from 0; None if none is."""
        states = [gate.state for gate in self.spoken.gates]
        return states.index(GateState.SHUT) if GateState.SHUT in states else None

    @property
    def can_ask(self) -> bool:
        """Whether LINE WORKS could be asked now, and has not answered yet."""
        return self.there in (LineWorksAnswer.NOT_ASKED, LineWorksAnswer.NO_ANSWER)

    @property
    def may_open(self) -> bool:
        """Whether this role may open the page of the next step."""
        return self.next_page is not None and may(self.role, self.next_page.permission)

    @property
    def command(self) -> str:
        """What to type on the server: others would only learn addresses from it."""
        return self.spoken.command if may(self.role, Permission.CHANGE_CLIENTS) else ""

    def about(self, each: SpokenTry, words: Words) -> str:
        """By what and in what a sign-in was, and from where."""
        browser = words.browser(each.browser) if each.browser else ""
        where = address_for(self.role, each.address)
        return " · ".join(filter(None, (*each.about, browser, where)))


async def show(visit: Visit) -> Response:
    """The trace of whatever was typed; of one person it is on their page.

    Who does not see addresses cannot ask for one: they could find somebody's by asking for each of
    its network (R-261).
    """
    asked, sees = visit.query.get("q", "").strip()[:LONGEST], sees_addresses(visit.role)
    if not asked:
        return visit.page("trace.html", asked="", trace=None, sees_addresses=sees)
    if not sees and read_question(asked, visit.now, zone_of(visit)).kind is Kind.ADDRESS:
        raise Forbidden("your role sees networks, and cannot ask for an address")
    try:
        trace = await visit.administration.sign_in_trace.of(
            asked, zone=zone_of(visit), asks_line_works=False
        )
    except Ambiguous:
        return visit.to("/people", q=asked)
    if trace.facts.person is not None:
        return visit.to("/person", id=trace.facts.person.person.subject_id)
    return visit.page("trace.html", asked=asked, trace=_shown(visit, trace), sees_addresses=sees)


async def of_person(visit: Visit, person: Person) -> ShownTrace:
    """The trace of a person, in the language of the page; LINE WORKS is asked if that is wanted.

    It answers so many calls a minute, and those of a leaver must be among them (R-262). Raises
    TooManyAttempts.
    """
    asks = visit.query.get("ask") == "line-works"
    if asks:
        counter = f"asks LINE WORKS {visit.administrator.account.subject_id}"
        if await visit.console.store.bump(counter, WINDOW, visit.now) > ASKED:
            raise TooManyAttempts(WINDOW)
    return _shown(
        visit, await visit.administration.sign_in_trace.of_person(person, asks_line_works=asks)
    )


def zone_of(visit: Visit) -> tzinfo:
    """The zone in which a page says its times."""
    return visit.words.local(visit.now).tzinfo or UTC


def _shown(visit: Visit, trace: Trace) -> ShownTrace:
    speaker = Speaker(visit.words.language, zone_of(visit), visit.now)
    waits = trace.facts.may_wait(visit.console.settings.login_longest_delay)
    domain = None if trace.facts.client is None else trace.facts.client.domain
    return ShownTrace(
        trace.spoken(speaker),
        visit.role,
        waits,
        trace.facts.there.state,
        visit.console.settings.start_over_at(domain) if domain else None,
        trace.verdict.next.action,
        next_page(trace.verdict.next.action, trace.facts),
        speaker.say(Text(LINE_WORKS)),
    )
