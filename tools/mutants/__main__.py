"""``python -m tools.mutants FILE…``: try the mutants of files, and say which survive."""

import argparse
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.mutants import coverage, trial
from tools.mutants.collected import in_collected
from tools.mutants.operators import Mutant, mutants_of
from tools.mutants.trial import PATIENCE, Begin, Fate

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("explained.toml")
SAMPLE = 60
"""Mutants of a file that are tried, unless all are wanted."""
MOST_TESTS = 400
"""Tests for one mutant.

First those of files named after its module, then those that take least time, then those that run
least.
"""
MOST_AT_IMPORT = 60
"""Tests for one mutant of what runs at import, which needs a process of its own."""
NEAREST = 15
"""Tests of each mutant that have to pass where nothing is changed."""
UNCHANGED = 40
"""The most of them for a file."""
PAUSE = 0.01
"""Seconds between two looks at the processes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """``at_import``: the mutant runs before any test does, so a module that is there has it not."""

    mutant: Mutant
    tests: Sequence[str]
    at_import: bool = False


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
        tests = {test for each in trials for test in each.tests}
        found = in_collected(
            ROOT,
            tests,
            folder,
            options.patience,
            lambda begin: _first(trials, begin, options.jobs),
        )
        if found is None:
            return 2
        trial.warm_up()
        left = [
            number
            for number in range(len(trials))
            if found.get(number, Fate.PUT_OFF) is Fate.PUT_OFF
        ]
        begin = partial(trial.begin, ROOT, folder, options.patience)
        if not _pass_unchanged([trials[number] for number in left], begin):
            return 2
        fates = {**found, **_fates(trials, left, begin, options.jobs)}
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
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds for the tests of a mutant"
    )
    return parser


def _trials(path: Path, data: Path, seed: int, most: int | None) -> Iterator[Trial]:
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        name = str(file.relative_to(ROOT))
        mutants = list(mutants_of(name, file.read_text("utf-8")))
        if most is not None and len(mutants) > most:
            mutants = random.Random(f"{seed} {name}").sample(mutants, most)  # noqa: S311  # a sample
        lines, breadths = coverage.lines_of(data, file), coverage.breadths(data)
        seconds = coverage.seconds(data)
        named = _named_after(file)
        for mutant in sorted(mutants, key=lambda each: each.line):
            tests = sorted(
                coverage.tests_of(lines, mutant),
                key=lambda test: (
                    test.partition("::")[0] not in named,
                    round(seconds.get(test, 0.0)),
                    breadths[test],
                    test,
                ),
            )
            if coverage.is_at_import(lines, mutant):
                # What only reads a constant runs no line: it is found by the name of its file.
                yield Trial(mutant, [*named, *tests[:MOST_AT_IMPORT]], at_import=True)
            else:
                yield Trial(mutant, tests[:MOST_TESTS])


def _named_after(file: Path) -> Sequence[str]:
    """The files of tests that are named after a module."""
    found = (ROOT / "tests").rglob(f"test_{file.stem}*.py")
    return sorted(str(each.relative_to(ROOT)) for each in found)


def _first(trials: Sequence[Trial], begin: Begin, jobs: int) -> Mapping[int, Fate] | None:
    """The fates of those that need no process of their own; None if tests fail unchanged."""
    now = [number for number, each in enumerate(trials) if not each.at_import]
    if not _pass_unchanged([trials[number] for number in now], begin):
        return None
    return _fates(trials, now, begin, jobs)


def _pass_unchanged(trials: Sequence[Trial], begin: Begin) -> bool:
    """Whether the tests pass that are nearest to these mutants, where nothing is changed."""
    for path, tests in _nearest(trials).items():
        process, began = begin(None, tests), time.monotonic()
        while (fate := trial.end(process, began)) is None:
            time.sleep(PAUSE)
        if fate is not Fate.SURVIVED:
            print(f"{path}: the tests fail without a change ({fate})", flush=True)
            return False
    return True


def _nearest(trials: Sequence[Trial]) -> Mapping[str, Sequence[str]]:
    """Some of the tests that are nearest to the mutants of each file."""
    found: dict[str, dict[str, None]] = {}
    for each in trials:
        found.setdefault(each.mutant.path, {}).update(dict.fromkeys(each.tests[:NEAREST]))
    return {path: [*tests][:UNCHANGED] for path, tests in found.items() if tests}


def _fates(
    trials: Sequence[Trial], numbers: Iterable[int], begin: Begin, jobs: int
) -> dict[int, Fate]:
    """Try these, a few at a time, and print those that no test notices."""
    fates: dict[int, Fate] = {}
    waiting, running = list(numbers)[::-1], dict[int, tuple[int, float]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            number = waiting.pop()
            mutant, tests = trials[number].mutant, trials[number].tests
            if tests:
                running[begin(mutant, tests)] = number, time.monotonic()
            else:
                fates[number] = Fate.NOT_RUN
        for process, (number, began) in list(running.items()):
            if (fate := trial.end(process, began)) is None:
                continue
            del running[process]
            fates[number] = fate
            if fate not in (Fate.KILLED, Fate.PUT_OFF):
                print(_line(fate, trials[number].mutant), flush=True)
        time.sleep(PAUSE)
    return fates


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
