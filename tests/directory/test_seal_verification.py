"""What does not fit between records and seals, in the words that an auditor reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from worksgate.credentials.master_key import Keyring, MasterKey
from worksgate.directory.audit.seal_form import Seal, content_digest
from worksgate.directory.audit.seal_verification import Finding, Problem, Verification, Verified

KEY = MasterKey(b"k" * 32)
KEYRING, NO_KEY = Keyring(KEY), Keyring(None)
SEALED_AT = "of 2027-01-15 08:00:00Z"


def digest(number: int) -> bytes:
    return content_digest([b"%d" % number])


def sealed(counts: Sequence[int] = (2, 1, 3), key: MasterKey | None = None) -> list[Seal]:
    """Seals of so many records each, whose IDs follow each other from 1."""
    made: list[Seal] = []
    for number, count in enumerate(counts, 1):
        first_id = made[-1].last_id + 1 if made else 1
        seal = Seal(
            number=number,
            at=1_800_000_000.0,
            first_id=first_id,
            last_id=first_id + count - 1,
            records=count,
        )
        content = content_digest(map(digest, range(first_id, first_id + count)))
        made.append(seal.sealed(made[-1].digest if made else "", content, key))
    return made


def compared(
    seals: Sequence[Seal],
    ids: Sequence[int],
    expected: Mapping[int, str] = {},
    keyring: Keyring = NO_KEY,
) -> tuple[list[Finding], Verified]:
    verification, found = Verification(keyring, expected), list[Finding]()
    for seal in seals:
        found += verification.begin(seal)
        for each in ids:
            if seal.first_id <= each <= seal.last_id:
                verification.add(each, digest(each))
        found += verification.end(seal)
    found += verification.finish()
    return found, verification.result


def texts(seals: Sequence[Seal], ids: Sequence[int], expected: Mapping[int, str] = {}) -> list[str]:
    found, result = compared(seals, ids, expected)
    assert result.findings == len(found)
    return [each.text for each in found]


def test_r149_what_fits_is_counted_and_nothing_is_said() -> None:
    first, second, third = sealed()
    assert texts([first, second, third], range(1, 7)) == []
    _, result = compared([first, second, third], range(1, 7))
    assert (result.records, result.seals, result.first, result.last) == (6, 3, first, third)


def test_r149_a_missing_seal_is_named_with_its_records() -> None:
    first, second, third = sealed()
    (gap,), _ = compared([second, third], range(1, 7))
    assert (gap.problem, gap.seal, gap.first_id, gap.last_id) == (Problem.SEAL_MISSING, 1, 1, 2)
    assert gap.text == (
        "seal 1 is missing, for records 1 to 2; without it, seal 2 cannot be compared"
    )
    assert texts([first, third], range(1, 7)) == [
        "seal 2 is missing, for record 3; without it, seal 3 cannot be compared"
    ]
    assert texts([third], range(1, 7)) == [
        "seals 1 to 2 are missing, for records 1 to 3; without it, seal 3 cannot be compared"
    ]


def test_r149_missing_and_additional_records_are_counted() -> None:
    seals = [replace(each, last_id=each.last_id * 10, first_id=1) for each in sealed((3,))]
    content = content_digest(map(digest, (1, 2, 3)))
    (seal,) = (each.sealed("", content, None) for each in seals)
    name = f"records 1 to 30 (seal 1 {SEALED_AT})"
    assert texts([seal], [1, 2, 3]) == []
    assert texts([seal], [2]) == [f"2 of {name} are missing"]
    assert texts([seal], [1, 2, 3, 9]) == [
        f"record 9 was added to {name} after these were sealed, or came late"
    ]
    assert texts([seal], [1, 2, 3, 9, 10]) == [f"2 more than were sealed are among {name}"]


def test_r149_a_digest_that_is_expected_is_looked_for() -> None:
    first, second, third = sealed()
    assert texts([first], [1, 2], {1: first.digest.upper(), 2: second.digest}) == [
        "seal 2, which is expected, does not exist: the log was cut off before it"
    ]
    assert texts([], [], {1: first.digest}) == [
        "seal 1, which is expected, does not exist: the log was cut off before it"
    ]
    anchor = second.given_up(9, None)
    assert texts([anchor, third], range(1, 7), {1: first.digest}) == [
        "seal 1 cannot be compared: it and its records were removed when they were past their "
        "time, as all before seal 2"
    ]
    assert texts([first], [1, 2], {1: second.digest}) == [
        f"seal 1 {SEALED_AT} has another digest than expected: the log was written again"
    ]


@pytest.mark.parametrize(("removal", "is_found"), [(6, False), (7, True)])
def test_r150_a_removal_by_somebody_without_the_key_is_found(
    removal: int, *, is_found: bool
) -> None:
    """The key was in use before it; a removal in the range of the next seal is older."""
    _, second, third = sealed(key=KEY)
    anchor = second.given_up(removal, None)
    found, _ = compared([anchor, third], range(4, 7), keyring=KEYRING)
    assert [each.problem for each in found] == [Problem.REMOVED] * is_found


def test_a_seal_of_an_impossible_time_has_a_number_all_the_same() -> None:
    (seal,) = sealed((2,))
    assert texts([replace(seal, at=-1.0)], [1]) == [
        "1 of records 1 to 2 (seal 1) are missing",
    ]
