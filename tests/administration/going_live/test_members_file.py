"""The members' file: what is certain is read, what is not is asked, what is wrong is told."""

import pytest
from tests.administration.going_live.members import member

from worksgate.administration.external_keys.faults import BadMembersFile, FileFault, RowFault
from worksgate.administration.going_live.members_file import (
    MOST_FAULTS,
    NO_CHOICES,
    Choices,
    read_members,
)
from worksgate.directory.going_live import Member, MemberState

ENGLISH = "Name,ID,External Key\nTanaka,tanaka@hikari,H-1\nKang,KANG@hikari,\n"
JAPANESE = "氏名,ID,外部キー\n田中 美咲,tanaka@hikari,H-1\n片山 明,katayama@hikari,\n"
KOREAN = "이름,ID,외부 키\n강하은,kang@hikari,H-3\n"
CHINESE = "姓名,ID,外部键\n王小明,wang@hikari,H-4\n"


def refused(data: bytes, choices: Choices = NO_CHOICES) -> BadMembersFile:
    with pytest.raises(BadMembersFile) as refusal:
        read_members(data, choices)
    return refusal.value


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_r176_a_file_is_read_in_any_form(
    end: str, delimiter: str, encoding: str, last: str
) -> None:
    text = ENGLISH.replace(",", delimiter).removesuffix("\n").replace("\n", end) + last
    assert read_members(text.encode(encoding)) == [
        member("tanaka@hikari", "H-1", name="Tanaka"),
        member("kang@hikari", None, name="Kang"),
    ]


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (JAPANESE, "utf-8", "田中 美咲"),
        (JAPANESE, "cp932", "田中 美咲"),
        (KOREAN, "cp949", "강하은"),
        (CHINESE, "gb18030", "王小明"),
    ],
)
def test_r176_an_older_encoding_is_recognized_by_its_language(
    text: str, encoding: str, name: str
) -> None:
    assert read_members(text.encode(encoding))[0].name == name


def test_r176_an_encoding_that_is_not_clear_is_asked_for() -> None:
    data = "Name,ID,External Key\n강하은,kang@hikari,H-3\n".encode("cp949")
    assert refused(data).fault is FileFault.ENCODING
    assert read_members(data, Choices(encoding="cp949"))[0].name == "강하은"
    assert refused(data, Choices(encoding="utf-8")).fault is FileFault.ENCODING
    assert refused(b"\xff\xfe\x00").fault is FileFault.ENCODING


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", FileFault.EMPTY),
        ("Name,ID,External Key\n", FileFault.EMPTY),
        ("Name,ID\nTanaka,tanaka@hikari\n", FileFault.KEY_COLUMN),
        ("ID,External Key,外部キー\na@b,1,2\n", FileFault.KEY_COLUMN),
        ("No,External Key\n1,H-1\n", FileFault.ACCOUNT_COLUMN),
        ('ID,External Key\na@b,"H-1\n', FileFault.NOT_CSV),
        ('ID,External Key\na@b,"H"1\n', FileFault.NOT_CSV),
        ("ID,External Key\na@b,H\0\n", FileFault.NOT_CSV),
    ],
)
def test_r176_what_is_no_members_file_is_refused(text: str, fault: FileFault) -> None:
    assert refused(text.encode()).fault is fault


def test_r176_columns_can_be_named() -> None:
    data = b"Who,Password?,SSO\nx,tanaka@hikari,H-1\n"
    assert refused(data).detail == "Who, Password?, SSO"
    assert read_members(data, Choices(key_column="SSO"))[0] == member("tanaka@hikari", "H-1")
    choices = Choices(key_column="SSO", account_column="Who")
    assert read_members(data, choices)[0].account == "x"
    assert refused(data, Choices(key_column="None")).fault is FileFault.KEY_COLUMN
    same = Choices(key_column="SSO", account_column="SSO")
    assert refused(data, same).fault is FileFault.ACCOUNT_COLUMN


def test_r176_of_several_columns_the_one_with_addresses_is_the_account() -> None:
    data = b"ID,Mail,External Key\n17,tanaka@hikari,H-1\n18,kang@hikari,H-2\n"
    assert [each.account for each in read_members(data)] == ["tanaka@hikari", "kang@hikari"]


def test_r176_every_wrong_row_is_told_with_its_line_and_nothing_is_read() -> None:
    rows = [
        "a@b,H-1",
        "a@b,H-2",
        ",H-3",
        "c@d",
        '"e@f",' + "9" * 101,
        '"g@h","H\n1"',
        "i@j,H-6",
        "",
        "k@l,H-7,more",
    ]
    bad = refused("\n".join(["ID,External Key", *rows]).encode())
    assert bad.fault is FileFault.ROWS
    assert [(each.line, each.fault) for each in bad.rows] == [
        (3, RowFault.ACCOUNT_TWICE),
        (4, RowFault.NO_ACCOUNT),
        (5, RowFault.CELLS),
        (6, RowFault.TOO_LONG),
        (7, RowFault.CONTROL),
        (11, RowFault.CELLS),
    ]
    assert bad.wrong == 6


def test_r176_of_many_wrong_rows_the_first_are_told_and_all_are_counted() -> None:
    bad = refused(b"ID,External Key\n" + b",H\n" * (MOST_FAULTS + 50))
    assert (len(bad.rows), bad.wrong) == (MOST_FAULTS, MOST_FAULTS + 50)
    assert str(bad).startswith("some rows are wrong: 150, the first in line 2: it names no account")


def test_a_key_is_taken_as_it_is() -> None:
    text = "ID,External Key\na@b, 00123\nc@d,=1+1\ne@f,50%\n"
    assert [each.external_key for each in read_members(text.encode())] == [" 00123", "=1+1", "50%"]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("利用停止", MemberState.SUSPENDED),
        ("Pending", MemberState.PENDING),
        ("삭제", MemberState.DELETED),
        ("利用中", MemberState.ACTIVE),
        ("?", MemberState.UNKNOWN),
    ],
)
def test_the_state_of_a_member_is_read_if_it_is_known(word: str, state: MemberState) -> None:
    (read,) = read_members(f"ID,External Key,Status\na@b,1,{word}\n".encode())
    assert read == Member(account="a@b", external_key="1", state=state)
