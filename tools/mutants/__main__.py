"""``python -m tools.mutants FILE…``: try the mutants of files, and say which survive."""

import argparse
import ast
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.mutants import coverage, trial
from tools.mutants.operators import Mutant, mutants_of
from tools.mutants.trial import Fate

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("explained.toml")
SAMPLE = 60
"""Mutants of a file that are tried, unless all are wanted."""
MOST_TESTS = 400
"""Tests for one mutant: those of the fewest lines come first, for they are nearest to it."""
NEAREST = 15
"""Tests that are tried before the others of a mutant: most mutants go no further."""


@dataclass(frozen=True, slots=True)
class Trial:
    mutant: Mutant
    tests: Sequence[str]

    @property
    def batches(self) -> Sequence[Sequence[str]]:
        """The tests as they are tried one after the other; none is empty."""
        return [each for each in (self.tests[:NEAREST], self.tests[NEAREST:]) if each]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="worksgate-mutants-"))
    try:
        data = options.coverage or folder / "coverage"
        if not data.exists():
            coverage.measure(ROOT, data, options.tests or ["--quick"])
        trials = [
            each
            for path in options.files
            for each in _trials(path.resolve(), data, options.seed, None if options.all else SAMPLE)
        ]
        trial.warm_up()
        for each in _unchanged(trials):
            if dict(_run([each], folder, 1))[0] is not Fate.SURVIVED:
                print(f"{each.mutant.path}: the tests fail without a change")
                return 2
        fates: dict[int, Fate] = {}
        for number, fate in _run(trials, folder, options.jobs):
            fates[number] = fate
            if fate not in (Fate.KILLED, Fate.NOT_RUN):
                print(_line(fate, trials[number].mutant), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _report(trials, fates)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools.mutants", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="files of src/worksgate, or folders")
    parser.add_argument("--tests", nargs="+", help="what pytest runs (default: the quick tests)")
    parser.add_argument(
        "--coverage", type=Path, help="where to keep, or find, which test runs what"
    )
    parser.add_argument("--seed", type=int, default=1, help="which sample of the mutants is tried")
    parser.add_argument("--all", action="store_true", help=f"try all, not {SAMPLE} of a file")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once")
    return parser


def _trials(path: Path, data: Path, seed: int, most: int | None) -> Iterator[Trial]:
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        name = str(file.relative_to(ROOT))
        mutants = list(mutants_of(name, file.read_text("utf-8")))
        if most is not None and len(mutants) > most:
            mutants = random.Random(f"{seed} {name}").sample(mutants, most)  # noqa: S311  # a sample
        lines = coverage.lines_of(data, file)
        breadth = Counter(test for tests in lines.values() for test in tests)
        for mutant in sorted(mutants, key=lambda each: each.line):
            found = coverage.tests_of(lines, mutant)
            tests = sorted(found, key=lambda test: (breadth[test], test))
            yield Trial(mutant, tests[:MOST_TESTS])


def _unchanged(trials: Sequence[Trial]) -> Iterator[Trial]:
    """A trial of each file as it is, with the tests of one of its mutants."""
    for path in {each.mutant.path for each in trials if each.tests}:
        first = next(each for each in trials if each.mutant.path == path and each.tests)
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        yield Trial(replace(first.mutant, tree=tree), first.tests[:NEAREST])


def _run(trials: Sequence[Trial], scratch: Path, jobs: int) -> Iterator[tuple[int, Fate]]:
    waiting = [(number, each.batches) for number, each in enumerate(trials)][::-1]
    running: dict[int, tuple[int, Sequence[Sequence[str]], float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, batches = waiting.pop()
            if not batches:
                yield number, Fate.NOT_RUN
                continue
            process = trial.begin(trials[number].mutant, ROOT, batches[0], scratch)
            running[process] = number, batches[1:], time.monotonic()
        for process, (number, batches, began) in list(running.items()):
            if (fate := trial.end(process, began)) is None:
                continue
            del running[process]
            if fate is Fate.SURVIVED and batches:
                waiting.append((number, batches))
                continue
            yield number, fate
        time.sleep(0.02)


def _report(trials: Sequence[Trial], fates: Mapping[int, Fate]) -> int:
    """Print a table, and what survives without a reason; 1 where there is such a one."""
    explained = _explained()
    table: dict[str, Counter[str]] = {}
    bad: list[tuple[Fate, Mutant]] = []
    for number, each in enumerate(trials):
        mutant, fate = each.mutant, fates[number]
        counts = table.setdefault(mutant.path, Counter())
        counts["mutants"] += 1
        if fate in (Fate.KILLED, Fate.TIMED_OUT):
            counts["killed"] += 1
        elif mutant.name in explained.get(mutant.path, {}):
            counts["explained"] += 1
        else:
            bad.append((fate, mutant))
    print("\nWithout a reason:")
    for fate, mutant in bad:
        print(_line(fate, mutant))
    print("\n| File | Mutants | Killed | Explained | |\n|---|---|---|---|---|")
    for path, counts in table.items():
        share = (counts["killed"] + counts["explained"]) / counts["mutants"]
        numbers = (counts[name] for name in ("mutants", "killed", "explained"))
        print(f"| `{path}` | {' | '.join(map(str, numbers))} | {share:.0%} |")
    return int(bool(bad))


def _line(fate: Fate, mutant: Mutant) -> str:
    return f"{mutant.path}:{mutant.line}: {fate}: {mutant.name}"


def _explained() -> Mapping[str, Mapping[str, str]]:
    """Why a mutant may survive, by file and name."""
    return tomllib.loads(EXPLAINED.read_text("utf-8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
