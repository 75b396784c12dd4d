"""10,000 calls recorded and replayed, and what a call costs while one records and while not.

python benchmarks/recording.py [CALLS]
  runs ``worksgate serve`` on SQLite; the simulator of LINE WORKS signs people in and misbehaves
  while the calls are recorded; then the recording is replayed at once. Ends with 1 if an answer
  differs.
"""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).parent.parent))

from tests.conformance.recording.recorder import LIMITS, recording
from tests.conformance.recording.scene import Scene, scene
from tests.conformance.recording.simulated import misbehave, sign_in
from tests.installation import Installation, installed
from tests.server.processes import prepared, serving

from worksgate.conformance.recording.comparison import percentile
from worksgate.conformance.recording.file import Recording
from worksgate.conformance.recording.observed import Observed
from worksgate.web.calls.recording import Tap

CALLS = 10_000
CALLS_OF_A_SIGN_IN = 3
TIMES = 2_000


async def fill(stage: Scene, calls: int) -> None:
    """Sign-ins, ten at a time, and now and then what LINE WORKS would never send."""
    await sign_in(stage)  # with the password; the others have the session
    for number in range(calls // (10 * CALLS_OF_A_SIGN_IN)):
        await asyncio.gather(*(sign_in(stage) for _ in range(10)))
        if number % 50 == 0:
            await misbehave(stage)


async def record_and_replay(folder: Path, calls: int) -> bool:
    with serving(folder) as running:
        url, client = await prepared_client(folder, running.port)
        async with scene(url, *client) as stage:
            began = time.perf_counter()
            with recording(folder / "recording.sock", folder / "file", LIMITS):
                await fill(stage, calls)
            took = time.perf_counter() - began
            recorded = Recording.read(folder / "file")
            size = (folder / "file").stat().st_size
            print(f"recorded  {len(recorded.calls)} lines, {size / 1e6:.1f} MB, in {took:.1f} s")
            report = await stage.replayed(folder / "file")
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


class _Nowhere:
    """Takes what is noted, as a link does, and does nothing with it."""

    def put(self, seen: Observed) -> None:
        pass


async def cost(folder: Path) -> None:
    """What a call of LINE WORKS takes in the application, with and without a tap."""
    async with installed(folder) as installation:
        off = await per_call(installation)
        tap = Tap(installation.settings, _Nowhere())  # type: ignore[arg-type]  # has what is used
        installation.application._tap = tap
        on = await per_call(installation)
    print(f"a call    {off:.1f} µs while nobody records, {on:.1f} µs while somebody does")


async def per_call(installation: Installation) -> float:
    """Microseconds of a call with an unknown access token, the median of some rounds."""
    client = installation.client
    body = (
        f"client_id={client.client.client_id}&client_secret={client.client_secret}"
        f"&access_token={'x' * 43}"
    ).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/userInfo",
        "query_string": b"",
        "http_version": "1.1",
        "client": ("203.0.113.7", 1),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: object) -> None:
        pass

    rounds = []
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(TIMES // 7):
            await installation.application(dict(scope), receive, send)  # type: ignore[arg-type]
        rounds.append((time.perf_counter() - began) / (TIMES // 7))
    return median(rounds) * 1e6


async def prepared_client(folder: Path, port: int) -> tuple[str, tuple[str, str]]:
    """The URL of the server, and the client's ID and secret."""
    with TemporaryDirectory() as other:
        _, client = await prepared(Path(other))
    return f"http://127.0.0.1:{port}", (client.client.client_id, client.client_secret)


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with TemporaryDirectory(prefix="wg-rec-") as folder:
        (Path(folder) / "a").mkdir()
        (Path(folder) / "b").mkdir()
        asyncio.run(cost(Path(folder) / "a"))
        is_same = asyncio.run(record_and_replay(Path(folder) / "b", calls))
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
