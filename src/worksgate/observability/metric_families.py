"""The numbers of this process as metrics: the only place with names, descriptions and labels.

``docs/monitoring.md`` has a line for each; a test compares the two.
"""

import platform
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from worksgate.limits.thread_pool import ThreadPool
from worksgate.observability import log
from worksgate.observability.figures import AdmissionFigures, Figures, ProcessFigures
from worksgate.observability.instruments import (
    CommitFigures,
    Distribution,
    PurgeFigures,
    SealFigures,
    SourceFigures,
    StoreFigures,
    Traffic,
)

Labelled = Iterable[tuple[tuple[str, ...], float]]


def process_families(process: ProcessFigures) -> Iterator[Metric]:
    """The current metrics of a process."""
    yield _gauge(
        "build_info",
        "Versions of Worksgate and Python; always 1.",
        ("version", "python"),
        [((version("worksgate"), platform.python_version()), 1)],
    )
    yield _gauge("workers", "Serving processes.", (), [((), 1)])
    yield _sum("log_lines_lost", "Log lines that could not be written.", log.lost_lines())
    if process.admission is not None:
        yield from _admission(process.admission)
    if process.certificate_ends_at is not None:
        with suppress(OSError, ValueError):  # problems with it were logged when it was loaded
            yield _number(
                "certificate_ends_timestamp_seconds",
                "When the certificate expires.",
                process.certificate_ends_at(),
            )


def _admission(admission: AdmissionFigures) -> Iterator[Metric]:
    yield _number("connections", "Open connections.", admission.connections)
    yield _sum(
        "connections_refused",
        "Connections closed immediately because there were too many.",
        admission.refused_connections,
    )
    yield _sum(
        "requests_refused",
        "Requests refused with 503 before they were read, because there were too many.",
        admission.refused_requests,
    )
    yield _histogram(
        "event_loop_lag_seconds",
        "Scheduling delay of the event loop.",
        (),
        [((), admission.lag)],
    )
    yield _number(
        "behind", "Whether the event loop is so late that pages are refused.", admission.is_behind
    )


def families(figures: Figures) -> Iterator[Metric]:
    """The current metrics of an application."""
    yield from _traffic(figures.traffic)
    if figures.audit is not None:
        audit = figures.audit
        yield _counter(
            "events",
            "Events of the audit log, by name.",
            ("event",),
            [((str(name),), count) for name, count in audit.recorded.items()],
        )
        yield _number(
            "audit_waiting", "Audit records that are not in the database yet.", audit.waiting
        )
        yield _sum("audit_lost", "Audit records that were lost.", audit.dropped)
    yield from _sources(figures.sources)
    if figures.hashing is not None:
        yield from _hashing(figures.hashing)
    if figures.store is not None:
        yield from _store(figures.store)
    if figures.commits is not None:
        yield from _commits(figures.commits)
    if figures.clients is not None:
        yield _number("clients", "Clients in memory.", figures.clients.count)
        age = figures.clients.age
        yield _gauge(
            "clients_age_seconds",
            "Seconds since the clients were read; grows while there are no requests.",
            (),
            [] if age is None else [((), age)],
        )
    if figures.purge is not None:
        yield from _purge(figures.purge)
    if figures.seals is not None:
        yield from _seals(figures.seals)


def _traffic(traffic: Traffic) -> Iterator[Metric]:
    meters = traffic.meters
    yield _counter(
        "requests",
        "Responses by endpoint, HTTP status (499: the client had disconnected) and protocol error.",
        ("endpoint", "status", "code"),
        [
            ((each.endpoint, str(status), code), count)
            for each in meters
            for (status, code), count in each.answers.items()
        ],
    )
    yield _histogram(
        "request_seconds",
        "Seconds from the arrival of a request to the end of its response.",
        ("endpoint",),
        [((each.endpoint,), each.seconds) for each in meters],
    )
    yield _gauge(
        "requests_running",
        "Requests in flight.",
        ("endpoint",),
        [((each.endpoint,), each.running) for each in meters],
    )


def _sources(sources: Iterable[SourceFigures]) -> Iterator[Metric]:
    yield _counter(
        "logins",
        "Sign-ins by result of the source; busy also if it had no capacity.",
        ("source", "outcome"),
        [
            ((each.name, outcome.value), count)
            for each in sources
            for outcome, count in each.outcomes.items()
        ],
    )
    yield _histogram(
        "source_seconds",
        "Seconds that a source took for a sign-in.",
        ("source",),
        [((each.name,), each.seconds) for each in sources],
    )
    yield _gauge(
        "source_circuit_open",
        "Whether the circuit breaker of a source is open (1) or not (0).",
        ("source",),
        [((each.name,), 0 if each.is_up else 1) for each in sources],
    )
    yield _gauge(
        "source_failures",
        "Consecutive calls in which a source was down.",
        ("source",),
        [((each.name,), each.failures) for each in sources],
    )


def _hashing(pool: ThreadPool) -> Iterator[Metric]:
    yield _number("hashing_threads", "Threads that check passwords.", pool.threads)
    yield _number("hashing_running", "Passwords being checked.", pool.running)
    yield _number("hashing_waiting", "Passwords waiting for a thread.", pool.waiting)
    yield _number("hashing_places", "Maximum number of waiting passwords.", pool.places)
    yield _sum("hashing_refused", "Passwords refused because the queue was full.", pool.refused)


def _store(store: StoreFigures) -> Iterator[Metric]:
    yield _number(
        "store_waiting",
        "Requests waiting for an SQLite commit to begin, or for a connection.",
        store.waiting,
    )
    yield _sum(
        "store_unavailable",
        "Failed requests to the store: it was locked, full, overloaded or gone.",
        store.unavailable,
    )


def _commits(commits: CommitFigures) -> Iterator[Metric]:
    yield _histogram("store_batch_size", "Requests per commit.", (), [((), commits.batch_sizes)])
    yield _histogram(
        "store_commit_seconds", "Seconds until a commit is on disk.", (), [((), commits.seconds)]
    )


def _purge(purge: PurgeFigures) -> Iterator[Metric]:
    yield _number(
        "purge_last_finished_timestamp_seconds",
        "When the last purge of expired data finished; initially, the start of the process.",
        purge.last_finished,
    )
    yield _sum("purge_removed", "Expired rows removed.", purge.removed)
    yield _sum("purge_postponed", "Purges ended by an outage.", purge.postponed)


def _seals(seals: SealFigures) -> Iterator[Metric]:
    yield _number(
        "audit_seal_last_finished_timestamp_seconds",
        "When a round of sealing the audit log was finished last; at first, the start.",
        seals.last_finished,
    )
    yield _sum("audit_seals", "Seals of the audit log that were made.", seals.sealed)
    yield _sum("audit_seals_postponed", "Rounds that an outage has ended.", seals.postponed)


def _number(name: str, about: str, value: float) -> Metric:
    return _gauge(name, about, (), [((), value)])


def _sum(name: str, about: str, value: float) -> Metric:
    return _counter(name, about, (), [((), value)])


def _gauge(name: str, about: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = GaugeMetricFamily(f"worksgate_{name}", about, labels=labels)
    for each, value in values:
        family.add_metric(each, value)
    return family


def _counter(name: str, about: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = CounterMetricFamily(f"worksgate_{name}", about, labels=labels)
    for each, value in values:
        family.add_metric(each, value)
    return family


def _histogram(
    name: str,
    about: str,
    labels: tuple[str, ...],
    values: Iterable[tuple[tuple[str, ...], Distribution]],
) -> Metric:
    family = HistogramMetricFamily(f"worksgate_{name}", about, labels=labels)
    for each, distribution in values:
        bounds = [*map(floatToGoString, distribution.bounds), "+Inf"]
        buckets = zip(bounds, accumulate(distribution.counts), strict=True)
        family.add_metric(each, list(buckets), distribution.total)
    return family
