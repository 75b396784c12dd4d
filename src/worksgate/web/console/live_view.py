"""The day itself: who is in since APPLY, who tried and is not, who has not been seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from worksgate.administration.errors import Refused
from worksgate.administration.going_live.live_view import BARS, LiveView, Outside
from worksgate.administration.sign_in_trace import Speaker
from worksgate.web.console.trace import zone_of
from worksgate.web.console.visit import Visit

EVERY: Final = 10
"""Seconds after which the live view comes again by itself."""
EVERY_ON_THE_WALL: Final = 5
_TOP, _FLOOR = 10.0, 146.0
"""Where the chart has its highest value and zero, in pixels."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart: from the left in per cent, from the top in pixels."""

    at: float
    total: int
    x: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """How many are in, minute by minute; ``ticks`` are times with their place in per cent."""

    most: int
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def of(cls, view: LiveView) -> "Chart":
        most = max(view.expected or 0, view.people_in, 1)
        scale, step = (_FLOOR - _TOP) / most, 100 / BARS
        bars = tuple(
            Bar(
                at,
                total,
                f"{number * step + step * 0.14:.2f}%",
                f"{_FLOOR - total * scale:.1f}",
                f"{total * scale:.1f}",
            )
            for number, (at, total) in enumerate(view.bars)
        )
        third = view.minutes * 60.0 * BARS / 3
        ticks = tuple((view.start + third * part, f"{part * 100 / 3:.2f}%") for part in range(3))
        return cls(most, bars, ticks)


@dataclass(frozen=True, slots=True)
class ShownOutside:
    """Somebody who tried, with why they are not in, in the administrator's language."""

    who: Outside
    sentence: str
    help: str
    """Where to help them."""


async def show(visit: Visit) -> Response:
    """The live view, or the form with which it begins."""
    return await _page(visit, "live.html", EVERY)


async def show_on_wall(visit: Visit) -> Response:
    """The same for a screen that all can see: no menu, large."""
    return await _page(visit, "wall.html", EVERY_ON_THE_WALL)


async def start(visit: Visit) -> Response:
    """Begin the live view, now or at a time of today."""
    await visit.administration.going_live.start(_moment(visit))
    return visit.to("/go-live/live")


async def end(visit: Visit) -> Response:
    """End the live view."""
    await visit.administration.going_live.end()
    return visit.to("/go-live/live")


def _moment(visit: Visit) -> float | None:
    """The time that was typed, of today; None for now. Raises Refused."""
    typed = visit.form.get("at", "").strip()
    if not typed:
        return None
    today = visit.words.local(visit.now)
    try:
        hour, minute = map(int, typed.split(":")[:2])
        return today.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp()
    except (ValueError, OverflowError):
        raise Refused("this is not a time such as 07:30") from None


async def _page(visit: Visit, template: str, every: int) -> Response:
    going_live = visit.administration.going_live
    started_at = await going_live.started_at()
    if started_at is None:
        return visit.page("live.html", view=None, every=0)
    view = await visit.console.watch.look(started_at, await going_live.last_rehearsal())
    is_still = visit.query.get("pause") == "1"
    return visit.page(
        template,
        view=view,
        chart=Chart.of(view),
        outside=_shown(visit, view.outside),
        got_in=_shown(visit, view.got_in),
        login_url=visit.administration.clients.urls("")["web_login"],
        every=0 if is_still else every,
        until=visit.administrator.session.expires_at,
        is_still=is_still,
    )


def _shown(visit: Visit, outside: Sequence[Outside]) -> list[ShownOutside]:
    speaker = Speaker(visit.words.language, zone_of(visit), visit.now)
    return [ShownOutside(each, speaker.say(each.text), _help(visit, each)) for each in outside]


def _help(visit: Visit, each: Outside) -> str:
    """The person's page, or the trace of that sign-in or moment."""
    if each.subject_id is not None:
        return visit.link("/person", id=each.subject_id)
    return visit.link("/trace", q=each.login_id or each.name or visit.words.minute(each.at))
