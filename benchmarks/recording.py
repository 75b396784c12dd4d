"""10,000 calls recorded and replayed, and what a call costs while one records and while not.

python benchmarks/recording.py [CALLS]
  runs ``worksgate serve`` on SQLite; the simulator of LINE WORKS signs people in and misbehaves
  while the calls are recorded; then the recording is replayed at once. Ends with 1 if an answer
  differs.
"""

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from timeit import repeat

sys.path.append(str(Path(__file__).parent.parent))

from tests.conformance.recording.recorder import LIMITS, recording
from tests.conformance.recording.scene import Scene, scene
from tests.conformance.recording.simulated import misbehave, sign_in
from tests.installation import Installation, installed
from tests.server.processes import prepared, serving

from worksgate.conformance.recording.abstraction import abstracted
from worksgate.conformance.recording.calls import MEDIA_TYPES
from worksgate.conformance.recording.comparison import Report, percentile
from worksgate.conformance.recording.file import Recording
from worksgate.conformance.recording.keyed_hash import KeyedHash
from worksgate.conformance.recording.observed import Observed
from worksgate.observability import log
from worksgate.server.single_write import WHOLE_ANSWER, WRITE
from worksgate.settings.options import Settings
from worksgate.web.calls.recording import Tap

CALLS = 10_000
CALLS_OF_A_SIGN_IN = 3
TIMES = 1_000
ROUNDS = 9


async def fill(stage: Scene, calls: int) -> None:
    """Sign-ins, ten at a time, and now and then what LINE WORKS would never send."""
    await sign_in(stage)  # with the password; the others have the session
    for number in range(calls // (10 * CALLS_OF_A_SIGN_IN)):
        await asyncio.gather(*(sign_in(stage) for _ in range(10)))
        if number % 50 == 0:
            await misbehave(stage)


def record_and_replay(folder: Path, calls: int) -> bool:
    """Whether all that was replayed was answered the same."""
    with serving(folder) as running:
        report = asyncio.run(played(folder, running.port, calls))
    print(f"replayed  {report.calls} calls in {report.seconds:.1f} s")
    print(f"          {report.same} the same, {report.different} different")
    for reason, count in report.not_replayed.items():
        print(f"          {count} not replayed: {reason}")
    for each, count in report.differences.items():
        print(f"          {count} × {each}")
    for kind, times in sorted(report.times.items()):
        before, now = (percentile(each, 0.5) * 1000 for each in (times.recorded, times.now))
        print(f"          {kind:<10} median {before:.2f} ms recorded, {now:.2f} ms now")
    return report.is_same


async def played(folder: Path, port: int, calls: int) -> Report:
    """Record a day and replay it."""
    _, client = await prepared(folder / "other")
    url, of = f"http://127.0.0.1:{port}", client.client
    async with scene(url, of.client_id, client.client_secret) as stage:
        began = time.perf_counter()
        with recording(folder / "recording.sock", folder / "file", replace(LIMITS, seconds=900)):
            await fill(stage, calls)
        took = time.perf_counter() - began
        recorded = Recording.read(folder / "file")
        size = (folder / "file").stat().st_size
        print(f"recorded  {len(recorded.calls)} lines, {size / 1e6:.1f} MB, in {took:.1f} s")
        return await stage.replayed(folder / "file")


class _Nowhere:
    """Takes what is noted, as a link does, and keeps the last of it."""

    def __init__(self) -> None:
        self.last: list[Observed] = []

    def put(self, seen: Observed) -> None:
        self.last = [seen]


async def cost(folder: Path) -> None:
    """What a call of LINE WORKS takes in the application, with and without a tap."""
    log.configure(Settings(log_format="text", log_level="error"), to=2)
    async with installed(folder) as installation:
        off = await per_call(installation)
        nowhere = _Nowhere()
        tap = Tap(installation.settings, nowhere)  # type: ignore[arg-type]  # has what is used
        installation.application._tap = tap
        on = await per_call(installation)
        looked_up = min(
            repeat(
                lambda: installation.application._tap is not None,
                timer=time.process_time,
                number=100_000,
            )
        )
        hashed, (seen,) = KeyedHash.of_new_key(), nowhere.last
        noted = min(
            repeat(
                lambda: abstracted(seen, 0.0, hashed).as_line(),
                timer=time.process_time,
                number=TIMES,
            )
        )
    log.close()
    print(f"a thread  {noted / TIMES * 1e6:.1f} µs for the line of a call")
    print(f"a look-up {looked_up * 10_000:.0f} ns, with the call of a function around it")
    print(f"a call    {off:.1f} µs while nobody records, {on:.1f} µs while somebody does")


async def per_call(installation: Installation) -> float:
    """Microseconds of a processor for a call with an unknown access token."""
    client = installation.client
    body = (
        f"client_id={client.client.client_id}&client_secret={client.client_secret}"
        f"&access_token={'x' * 43}"
    ).encode()
    answered: list[int] = []

    def write(status: int, head: bytes, content: bytes) -> bool:
        answered.append(status)
        return True

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/userInfo",
        "query_string": b"",
        "http_version": "1.1",
        "client": ("203.0.113.7", 1),
        "headers": [(b"content-type", MEDIA_TYPES["form"].encode())],
        "extensions": {WHOLE_ANSWER: {WRITE: write}},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, object]) -> None:
        if "status" in message:
            answered.append(int(str(message["status"])))

    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            await installation.application(dict(scope), receive, send)  # type: ignore[arg-type]  # a plain ASGI pair
        rounds.append((time.process_time() - began) / TIMES)
    assert set(answered) == {401}
    return median(rounds) * 1e6


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with TemporaryDirectory(prefix="wg-rec-") as folder:
        for name in ("cost", "calls", "calls/other"):
            (Path(folder) / name).mkdir()
        asyncio.run(cost(Path(folder) / "cost"))
        is_same = record_and_replay(Path(folder) / "calls", calls)
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
