"""What exactly is hashed: two different records never have the same form."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.credentials.master_key import NO_MASTER_KEY, Keyring, MasterKey
from worksgate.database import schema
from worksgate.directory.audit.seal_form import Seal, content_digest, record_digest

COLUMNS = [column.name for column in schema.audit.c]
KEY, OTHER_KEY = MasterKey(b"k" * 32), MasterKey(b"o" * 32)

texts = st.none() | st.text(max_size=5)
numbers = st.none() | st.floats(allow_nan=False)
anything = st.none() | st.text(max_size=3) | st.binary(max_size=3) | st.integers(-9, 9) | numbers
rows = st.tuples(
    st.integers(1, 2**63 - 1),
    st.floats(allow_nan=False),
    *([texts] * (len(COLUMNS) - 3)),
    numbers,
)
any_rows = st.tuples(*([anything] * len(COLUMNS)))


def _row(**values: object) -> tuple[object, ...]:
    return tuple(values.get(name) for name in COLUMNS)


SEAL = Seal(number=2, at=1.5, first_id=6, last_id=10, records=5)


@examples(400)
@given(one=rows, other=rows)
def test_r149_two_different_records_never_have_the_same_form(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    assert (record_digest(one) == record_digest(other)) == (one == other)


@examples(400)
@given(one=any_rows, other=any_rows)
def test_a_value_of_another_type_is_another_record(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    if list(map(repr, one)) == list(map(repr, other)):
        assert record_digest(one) == record_digest(other)
    elif one != other:
        assert record_digest(one) != record_digest(other)


@examples(200)
@given(row=rows, first=st.integers(2, len(COLUMNS) - 2), second=st.integers(2, len(COLUMNS) - 2))
def test_a_text_belongs_to_its_column(row: tuple[object, ...], first: int, second: int) -> None:
    swapped = list(row)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    assert (record_digest(row) == record_digest(swapped)) == (row == tuple(swapped))


def test_where_a_value_ends_is_part_of_the_form() -> None:
    assert record_digest(_row(id=1, actor="ab", detail="c")) != record_digest(
        _row(id=1, actor="a", detail="bc")
    )
    assert record_digest(_row(id=1, detail="")) != record_digest(_row(id=1))


def test_the_form_of_a_record_stays_as_it_is() -> None:
    """Another form would make all existing seals wrong."""
    row = _row(id=7, at=1_800_000_000.25, event="logout", username="青い", elapsed_ms=0.1)
    form = (
        b"\x02id" + b"i\x00\x00\x00\x01" + b"7"
        b"\x02at" + b"d\x00\x00\x00\x08" + b"\x41\xda\xd2\x74\x80\x10\x00\x00"
        b"\x05event" + b"t\x00\x00\x00\x06" + b"logout"
        b"\x08username" + b"t\x00\x00\x00\x06" + "青い".encode()
        + b"\x0aelapsed_ms" + b"d\x00\x00\x00\x08" + b"\x3f\xb9\x99\x99\x99\x99\x99\x9a"
    )  # fmt: skip
    assert record_digest(row) == hashlib.sha256(form).digest()


def test_numbers_are_the_same_however_a_database_returns_them() -> None:
    assert record_digest(_row(id=1, at=5)) == record_digest(_row(id=1, at=5.0))
    assert record_digest(_row(id=1, at=-0.0)) == record_digest(_row(id=1, at=0.0))


def test_a_seal_covers_all_of_itself_and_the_seal_before() -> None:
    content = content_digest([b"a" * 32])
    digests = {
        seal.digest_after(previous, content)
        for previous in ("", "a" * 64)
        for seal in (
            SEAL,
            Seal(number=3, at=1.5, first_id=6, last_id=10, records=5),
            Seal(number=2, at=1.6, first_id=6, last_id=10, records=5),
            Seal(number=2, at=1.5, first_id=5, last_id=10, records=5),
            Seal(number=2, at=1.5, first_id=6, last_id=11, records=5),
            Seal(number=2, at=1.5, first_id=6, last_id=10, records=4),
        )
    }
    assert len(digests) == 12
    assert SEAL.digest_after("", content_digest([b"b" * 32])) not in digests


def test_only_the_holder_of_the_master_key_can_make_its_code() -> None:
    seal = SEAL.sealed("", b"content", KEY)
    assert seal.is_authentic(Keyring(current=KEY))
    assert seal.is_authentic(Keyring(current=OTHER_KEY, previous=KEY))
    assert seal.is_authentic(Keyring(current=OTHER_KEY)) is None
    assert SEAL.sealed("", b"content", None).is_authentic(Keyring(current=KEY)) is None
    for changed in (
        SEAL.sealed("x", b"content", None),
        Seal(number=2, at=1.5, first_id=6, last_id=10, records=5, digest=seal.digest, purged=9),
    ):
        forged = Seal(
            **{
                **{name: getattr(changed, name) for name in Seal.__slots__},
                "mac": seal.mac,
            }
        )
        assert forged.is_authentic(Keyring(current=KEY)) is False
    assert seal.given_up(9, KEY).is_authentic(Keyring(current=KEY))
    assert seal.is_authentic(NO_MASTER_KEY) is None


def test_values_that_cannot_be_those_of_a_seal_break_nothing() -> None:
    seal = Seal.of_row(("x", b"y", None, "z", 1.5, None, "p", b"m"))
    assert (seal.number, seal.at, seal.records, seal.purged) == (-1, -1.0, -1, -1)
    assert seal.is_authentic(Keyring(current=KEY)) is None
