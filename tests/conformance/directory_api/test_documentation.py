"""docs/protocol.md lists every choice of the simulator, and what the client can be told."""

import re
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest

from worksgate.conformance.directory_api import Rules
from worksgate.settings.assumptions import Assumptions
from worksgate.settings.options import Settings

ROOT = Path(__file__).parents[3]
_, _, AFTER = (ROOT / "docs/protocol.md").read_text("utf-8").partition("\n## LINE WORKS API 2.0\n")
SECTION, _, FILES = AFTER.partition("\n## The file of External Keys\n")


def test_every_choice_of_the_simulator_is_documented() -> None:
    told = re.findall(r"^\| .* \| `([a-z_]+)` \|$", SECTION.partition("\nWhat the client")[0], re.M)
    assert told == [field.name for field in fields(Rules)]


class Guess(NamedTuple):
    """What we have guessed: the fields of `Rules` in which the simulator reads it otherwise, and
    what the client can be told instead; nothing, where it is right under either reading.
    """

    what: str
    rules: tuple[str, ...]
    told: tuple[str, ...] = ()


GUESSES = [
    Guess("an old private key dies when another is issued", ("takes_old_keys",)),
    Guess("iat is 30 s in the past", ("clock_tolerance",), ("assertion_backdated",)),
    Guess("exp is 3600 s after it", ("takes_shorter_assertions",), ("assertion_lifetime",)),
    Guess("keys of 2,048 bits or more", ("fewest_key_bits",), ("fewest_key_bits",)),
    Guess("a service account keeps its tokens", ("log_out_ends_app_tokens",)),
    Guess("bots are in every plan", ("plan_lacks",)),
    Guess("rateLimit-used", ("rate_headers",)),
    Guess("one call at a time", ("refuses_concurrent_calls",), ("calls_at_once",)),
    Guess("the app's domain without domainId", ("lists_every_domain",), ("--domain-id",)),
    Guess("the wording of isAwaiting", ("awaiting_is_pending",)),
    Guess("201 for a new person", ("created_status",)),
    Guess("batches", ("batches", "takes_swaps", "key_rests")),
    Guess("USER_NOT_EXIST", ("unknown_user_code",)),
    Guess("two changes at once are 409", ("write_takes",)),
    Guess("keys that differ in case only", ("keys_ignore_case",), ("allow_similar_keys",)),
]
"""All that is guessed of the API, but for the hosts of WORKBOX, which are settings."""


@pytest.mark.parametrize("guess", GUESSES, ids=lambda guess: guess.what)
def test_every_guess_has_a_switch_on_both_sides(guess: Guess) -> None:
    assert set(guess.rules) <= {field.name for field in fields(Rules)}
    switches = {field.name for each in (Assumptions, Settings) for field in fields(each)}
    assert {each for each in guess.told if not each.startswith("--")} <= switches
    _, _, taken = SECTION.partition("\nWhat the client itself takes for granted")
    assert all(f"`{each}`" in taken for each in guess.told)


def test_every_assumption_of_the_client_is_documented() -> None:
    told = re.findall(r"^\| .* \| `([a-z_]+)` \|$", SECTION.partition("\nWhat the client")[2], re.M)
    assert told == [field.name for field in fields(Assumptions)]


def test_the_guesses_on_the_file_can_be_told_better() -> None:
    table, _, _ = FILES.partition("\n## ")
    assert all(f"`{option}`" in table for option in ("--encoding", "--column", "--match-column"))
