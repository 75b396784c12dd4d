"""The part of the report about the console's pages: what each takes and weighs."""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lines import Line, table

MOST_MS = 300.0
MOST_BYTES = 60_000
STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
SITUATIONS = {
    "alone": "alone",
    "export": "beside an export of everybody",
    "job": "beside a change of everybody",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A page, each number that of the language in which it is worst; times in milliseconds.

    The machine has other work, so ``processor`` is judged: the least time of a processor, with that
    of PostgreSQL. A page waits for nothing else but LINE WORKS, where that is said.
    """

    page: str
    best: float
    median: float
    p95: float
    processor: float
    size: int
    language: str

    @property
    def is_within(self) -> bool:
        return self.processor <= MOST_MS and self.size <= MOST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFile:
    """A file: milliseconds until its first byte and until its last one, and its size."""

    page: str
    first: float
    last: float
    size: int


def section(found: dict[str, Any]) -> list[str]:
    """All of it, in Markdown."""
    most = max(int(count) for of_store in found["stores"].values() for count in of_store)
    return [
        "Every page that the router has, opened by an owner in each of the console's languages, "
        f"{found['rounds']} times in each or more, in the process that measures; what is shown is "
        "the language in which it is worst. The machine had much other work meanwhile, so what is "
        "judged is the processor time, the least of all times, with that of the database; the "
        "other times are those of the clock.",
        "",
        *table(
            ("what", "found", "budget", "met"),
            ((line.what, line.found, line.budget, line.met) for line in lines(found)),
        ),
        "",
        f"With {most:,} people, in milliseconds: processor (best / median / p95 by the clock).",
        "",
        *table(
            ("page", *(STORES[store] for store in found["stores"]), "kB"),
            _pages(found["stores"], str(most)),
        ),
        "",
        f"Files, with {most:,} people: until the first byte / in all.",
        "",
        *table(
            ("file", *(STORES[store] for store in found["stores"]), "kB"),
            _files(found["stores"], str(most)),
        ),
        "",
    ]


def told(found: dict[str, Any]) -> dict[str, Any]:
    """What the report tells of the results: with fewer people, the slowest and heaviest pages."""
    for of_store in found["stores"].values():
        for count in sorted(of_store, key=int)[:-1]:
            pages = of_store[count]["pages"]
            slowest = max(pages, key=lambda page: page["processor"])
            heaviest = max(pages, key=lambda page: page["size"])
            kept = [page for page in pages if page in (slowest, heaviest)]
            of_store[count] = {"pages": kept, "files": []}
    return found


def lines(found: dict[str, Any]) -> Iterator[Line]:
    """Of each store and number of people: the slowest page and the heaviest."""
    for store, of_store in found["stores"].items():
        for count, there in of_store.items():
            pages = [Measured(**page) for page in there["pages"]]
            slowest = max(pages, key=lambda page: page.processor)
            heaviest = max(pages, key=lambda page: page.size)
            where = f"{int(count):,} people, {STORES[store]}"
            yield Line(
                f"slowest page, {where}",
                f"{slowest.processor:.0f} ms ({slowest.page})",
                f"≤ {MOST_MS:.0f} ms",
                slowest.processor <= MOST_MS,
            )
            yield Line(
                f"heaviest page, {where}",
                f"{heaviest.size / 1_000:.1f} kB ({heaviest.page})",
                f"≤ {MOST_BYTES / 1_000:.0f} kB",
                heaviest.size <= MOST_BYTES,
            )


def _pages(stores: dict[str, Any], count: str) -> Iterator[tuple[str, ...]]:
    for same in zip(*(of_store[count]["pages"] for of_store in stores.values()), strict=True):
        times = (
            f"{one['processor']:.0f} ({one['best']:.0f} / {one['median']:.0f} / {one['p95']:.0f})"
            for one in same
        )
        yield same[0]["page"], *times, _kilobytes(same)


def _files(stores: dict[str, Any], count: str) -> Iterator[tuple[str, ...]]:
    for same in zip(*(of_store[count]["files"] for of_store in stores.values()), strict=True):
        times = (f"{one['first']:.0f} ms / {one['last'] / 1_000:.1f} s" for one in same)
        yield same[0]["page"], *times, _kilobytes(same)


def _kilobytes(same: Iterable[dict[str, Any]]) -> str:
    return f"{max(one['size'] for one in same) / 1_000:,.1f}"


def section_beside(found: dict[str, Any]) -> list[str]:
    """Token calls beside what administrators do, in Markdown."""
    rows = []
    for store, of_store in found["stores"].items():
        for name, title in SITUATIONS.items():
            best = min(of_store[name], key=lambda one: one["p99_ms"])
            p99 = [one["p99_ms"] for one in of_store[name]]
            alone = [one["p99_ms"] for one in of_store["alone"]]
            ratios = [with_it / without for with_it, without in zip(p99, alone, strict=True)]
            meanwhile = {
                "alone": "",
                "export": f"{of_store['export_seconds']:.1f} s an export",
                "job": f"{of_store['people_a_second']} people a second",
            }
            rows.append(
                (
                    f"{STORES[store]}, {title}",
                    f"{best['p50_ms']:.1f} ms",
                    f"{best['p99_ms']:.1f} ms",
                    f"{statistics.median(p99):.1f} ms",
                    f"{statistics.median(ratios):.2f}",
                    meanwhile[name],
                )
            )
    header = ("what", "p50", "least p99", "median p99", "÷ alone", "meanwhile")
    return [
        f"Some 200 token calls a second for {found['seconds']:g} s, {found['rounds']} times in "
        f"turns, with {found['people']:,} people. The machine had other work, which comes and "
        "goes: *p50* and *least p99* are those of the best round, *÷ alone* is the median of the "
        "p99 of each round divided by that of the round alone just before.",
        "",
        *table(header, rows),
        "",
    ]


def section_commands(found: dict[str, Any]) -> list[str]:
    """Commands over many people, in Markdown."""
    stores = found["stores"]
    names = next(iter(stores.values()))
    return [
        f"With {found['people']:,} people and as many sign-ins: seconds (of the processor of the "
        "command alone), and MiB at most.",
        "",
        *table(
            ("worksgate …", *(STORES[store] for store in stores)),
            (
                (
                    f"`{name}`",
                    *(
                        f"{one['seconds']:.1f} s ({one['processor']:.1f} s), {one['mib']:.0f} MiB"
                        for one in (of_store[name] for of_store in stores.values())
                    ),
                )
                for name in names
            ),
        ),
        "",
    ]
