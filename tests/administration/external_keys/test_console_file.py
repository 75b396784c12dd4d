"""The file of the Developer Console: in any form, and only the keys in it change."""

import codecs
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.administration.external_keys.files import HEADER, Cell, Form, Table, holder, read
from tests.properties import examples

from worksgate.administration.external_keys.comparison import Standard, compare
from worksgate.administration.external_keys.console_file import MOST_BYTES
from worksgate.administration.external_keys.faults import BadMembersFile, FileFault
from worksgate.administration.external_keys.holders import KeyHolder

PEOPLE = [
    holder("tanaka@hikari", "H-1"),
    holder("kang@hikari", "H,2"),
    holder("wang@hikari", "H-3"),
]

_ALPHABETS = {
    ("utf-8", b""): "漢字가中é𠮷",
    ("utf-8", codecs.BOM_UTF8): "漢字가中é𠮷",
    ("utf-16-le", codecs.BOM_UTF16_LE): "漢字가中é𠮷",
    ("utf-16-be", codecs.BOM_UTF16_BE): "漢字가中é𠮷",
    ("cp932", b""): "ソ表能あ髙ｱ漢",  # the second byte of the first three is a backslash
    ("cp949", b""): "가힣똠방각",
    ("gb18030", b""): "中文漢𠮷가",
}
"""Characters that each encoding has."""


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A file in any form, whose first three members are those of PEOPLE, some with a key."""
    (codec, mark), alphabet = draw(st.sampled_from(sorted(_ALPHABETS.items())))
    form = Form(
        codec,
        mark,
        draw(st.sampled_from(",\t;")),
        draw(st.sampled_from(("\n", "\r\n", "\r"))),
        draw(st.booleans()),
    )
    texts = st.text(st.sampled_from(alphabet + " ab=0\"',;\t\r\n"), max_size=8)
    cells = st.builds(Cell, texts, st.booleans())

    def row(account: str, key: str) -> list[Cell]:
        quoted = st.booleans()
        return [draw(cells), Cell(account, draw(quoted)), draw(cells), Cell(key, draw(quoted))]

    keys = st.sampled_from(("", "X-1", '"'))
    members = [row(each.username.upper(), draw(keys)) for each in draw(st.permutations(PEOPLE))]
    header = [Cell(each, draw(st.booleans())) for each in HEADER]
    return Table([header, *members], form)


@given(table=tables())
@examples(100)
def test_r205_only_the_field_of_the_key_differs(table: Table) -> None:
    ours = {each.username: each.external_key or "" for each in PEOPLE}
    codec = {"utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(table.form.codec, table.form.codec)
    file = read(table.data(), PEOPLE, encoding=codec)
    keys = {number: ours[row.account] for number, row in enumerate(file.rows)}
    delimiter = table.form.delimiter
    expected = [
        [
            *row[:3],
            Cell(ours[row[1].value.lower()], row[3].written(delimiter).startswith('"')),
        ]
        for row in table.rows[1:]
    ]
    assert file.with_keys(keys) == replace(table, rows=[table.rows[0], *expected]).data()
    assert file.with_keys({}) == table.data()


JAPANESE = "氏名,ID,外部キー\r\n田中 美咲,tanaka@hikari,\r\n"
KOREAN = '"이름";"ID";"외부 키"\n"강하은";"kang@hikari";""\n'


@pytest.mark.parametrize(
    ("text", "codec", "key"),
    [(JAPANESE, "cp932", "H-1"), (KOREAN, "cp949", "H-9"), (JAPANESE, "utf-8", "H-1")],
)
def test_r206_an_encoding_is_recognized_by_its_language(text: str, codec: str, key: str) -> None:
    people = [holder("tanaka@hikari", key), holder("kang@hikari", key)]
    file = read(text.encode(codec), people)
    before = text.replace("hikari,", f"hikari,{key}").replace('""', f'"{key}"')
    assert file.with_keys({0: key}) == before.encode(codec)


def refused(data: bytes, **choices: str) -> BadMembersFile:
    with pytest.raises(BadMembersFile) as refusal:
        read(data, PEOPLE, **choices)
    return refusal.value


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", FileFault.EMPTY),
        (b"Name,ID,External Key\n", FileFault.EMPTY),
        ("Name,ID,External Key\n강하은,kang@hikari,\n".encode("cp949"), FileFault.ENCODING),
        (codecs.BOM_UTF16_LE + b"\x00\xd8", FileFault.ENCODING),
        (b"Name,ID\nA,tanaka@hikari\n", FileFault.KEY_COLUMN),
        (b"External Key,ID,EXTERNAL_KEY\n,tanaka@hikari,\n", FileFault.KEY_COLUMN),
        (b"ID,External Key\nsomebody@hikari,\n", FileFault.ACCOUNT_COLUMN),
        (b"ID,External Key\ntanaka@hikari\n", FileFault.NOT_CSV),
        (b"ID,External Key\ntanaka@hikari,\0\n", FileFault.NOT_CSV),
        (b"x" * (MOST_BYTES + 1), FileFault.TOO_LARGE),
    ],
)
def test_r206_what_is_not_clear_is_refused(data: bytes, fault: FileFault) -> None:
    assert refused(data).fault is fault


def test_r206_a_file_that_would_not_come_back_unchanged_is_refused() -> None:
    """0x8790 is a twin of 0x81E0 in cp932: it would be written as that."""
    twin = "氏名,ID,外部キー\n".encode("cp932") + b"\x87\x90,tanaka@hikari,\n"
    assert refused(twin).fault is FileFault.ENCODING
    assert "cannot be written back unchanged" in refused(twin, encoding="cp932").detail


def test_r206_a_fault_has_line_and_column() -> None:
    bad = refused(b'ID,External Key\ntanaka@hikari,"H"1\n')
    assert str(bad) == (
        "the file is not a CSV file: line 2, column 18: more follows the closing quotation mark"
    )
    bad = refused(b"ID,External Key\ntanaka@hikari,H-1,more\n")
    assert bad.detail == "line 2, column 1: the row has 3 cells, and the first line 2"


COLUMNS = "No,Account,Mail,SSO\n1,tanaka,tanaka@x,\n2,kang,kang@x,\n3,wang,wang@x,\n4,lee,lee@x,\n"
MANY = [holder(f"{name}@x", f"H-{name}") for name in ("tanaka", "kang", "wang", "lee")]


def test_r206_the_column_of_accounts_is_the_one_that_is_known_here() -> None:
    text = COLUMNS.replace("SSO", "External Key")
    assert [row.account for row in read(text, MANY).rows][:2] == ["tanaka@x", "kang@x"]
    assert read(text, [*MANY[:3], holder("choi", None), *MANY[3:]]).rows[0].account == "tanaka@x"
    with pytest.raises(BadMembersFile, match="accounts is not clear"):
        read(text, MANY[:3])  # three of four are too few to be sure
    with pytest.raises(BadMembersFile, match="accounts is not clear"):
        read(text.replace("kang@x", "tanaka@x"), MANY)  # nobody is a member twice


def test_r206_two_columns_that_mean_the_same_people_are_one() -> None:
    here = [replace(each, works_account=each.username.replace("@x", "@y")) for each in MANY]
    here = [replace(each, email=each.username) for each in here]
    text = COLUMNS.replace("SSO", "External Key").replace("tanaka,", "tanaka@y,")
    for name in ("kang", "wang", "lee"):
        text = text.replace(f"{name},", f"{name}@y,")
    assert read(text, here).rows[1].account in ("kang@y", "kang@x")
    swapped = text.replace("kang@x", "!").replace("wang@x", "kang@x").replace("!", "wang@x")
    with pytest.raises(BadMembersFile, match="accounts is not clear"):
        read(swapped, here)
    assert read(swapped, here, match_column="Account").rows[1].account == "kang@y"


def test_r206_columns_can_be_named() -> None:
    file = read(COLUMNS, MANY, key_column="SSO", match_column="Account")
    assert [row.account for row in file.rows] == ["tanaka", "kang", "wang", "lee"]
    assert compare(file, MANY, Standard()).keys[0] == "H-tanaka"
    with pytest.raises(BadMembersFile, match="accounts is not clear"):
        read(COLUMNS, MANY, key_column="SSO", match_column="SSO")
    with pytest.raises(BadMembersFile, match="External Key is not clear"):
        read(COLUMNS, MANY, key_column="Key")


def test_r205_empty_lines_and_the_lack_of_a_last_one_stay() -> None:
    text = "ID,External Key\n\ntanaka@hikari,\n\n\nkang@hikari,"
    file = read(text, PEOPLE)
    assert (
        file.with_keys({0: "H-1", 1: "H-2"}).decode()
        == text.replace("tanaka@hikari,", "tanaka@hikari,H-1") + "H-2"
    )


@pytest.mark.slow
def test_r205_memory_grows_with_the_file_and_not_faster() -> None:
    """A tenth of 100,000 members, which take less than 200 MB with the program itself."""
    number = 10_000
    tracemalloc.start()
    try:
        people = [_person(each) for each in range(number)]
        rows = "".join(f"田中 {each},営業部,{each}@hikari.example,\r\n" for each in range(number))
        data = f"氏名,所属,ID,External Key\r\n{rows}".encode("utf-16")
        file = read(data, people)
        done = compare(file, people, Standard())
        filled = file.with_keys(done.keys)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(done.keys), done.found) == (number, [])
    assert len(filled) - len(data) == 2 * sum(len(each.external_key or "") for each in people)
    assert peak < number * 1_500


def _person(number: int) -> KeyHolder:
    account = f"{number}@hikari.example"
    return KeyHolder(
        username=account,
        external_key=f"E{number:06}",
        works_account=account,
        email=account,
    )
