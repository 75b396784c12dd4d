"""Reads the members of LINE WORKS from the file of its console (``ExternalKey_member.csv``).

Neither its encoding nor the names of its columns are documented, so nothing is guessed that could
be wrong without being noticed: what is not clear is a fault that says what to choose. A file is
read whole or not at all, with a fault for each row that is wrong. Keys are taken as they are, also
those that LINE WORKS should not have.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from worksgate.administration.errors import Refused
from worksgate.administration.older_encodings import ordinary_text
from worksgate.directory.going_live import Member, MemberState
from worksgate.oauth.user_info import MAX_EXTERNAL_KEY

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_ROWS: Final = 200_000
MOST_FAULTS: Final = 100
"""Faults of rows that are told; the others are counted."""
LONGEST_ACCOUNT: Final = 254
LONGEST_NAME: Final = 200
"""Characters; more of a name is cut off."""

_OLDER: Final = ("cp932", "cp949", "gb18030")
ENCODINGS: Final = ("utf-8", "utf-16", *_OLDER)
"""What can be chosen, and Python's names for them."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_KEY_HEADERS: Final = frozenset(
    (
        *("externalkey", "memberexternalkey", "userexternalkey"),
        *("外部キー", "外部key", "외부키", "외부key", "外部键", "外部鍵", "外部金鑰"),
    )
)
_ACCOUNT_HEADERS: Final = frozenset(
    (
        *(
            "id",
            "loginid",
            "account",
            "accountid",
            "lineworksid",
            "lineworksaccount",
            "naverworksid",
        ),
        *("email", "emailaddress", "mail", "mailaddress", "memberid", "member"),
        *("アカウント", "ログインid", "メールアドレス", "メンバーid", "構成員id"),
        *("계정", "아이디", "로그인id", "이메일", "메일주소", "구성원id"),
        *("账号", "帐号", "登录id", "邮箱", "帳號", "登入id", "電子郵件"),
    )
)
_NAME_HEADERS: Final = frozenset(
    (
        *("name", "fullname", "username", "displayname", "membername"),
        *(
            "名前",
            "氏名",
            "姓名",
            "構成員名",
            "メンバー名",
            "이름",
            "성명",
            "구성원명",
            "구성원이름",
        ),
    )
)
_STATE_HEADERS: Final = frozenset(
    (*("status", "state", "accountstatus", "ステータス", "状態", "상태", "状态", "狀態"),)
)
_STATES: Final = {
    MemberState.ACTIVE: ("active", "inuse", "利用中", "使用中", "正常", "사용중", "이용중"),
    MemberState.PENDING: ("pending", "登録待ち", "招待中", "등록대기", "待注册", "待註冊"),
    MemberState.SUSPENDED: (
        "suspended",
        "利用停止",
        "一時停止",
        "停止",
        "정지",
        "이용정지",
        "일시정지",
    ),
    MemberState.DELETED: ("deleted", "削除", "削除済み", "삭제", "已删除", "已刪除"),
}
_STATE_BY_WORD: Final = {word: state for state, words in _STATES.items() for word in words}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class FileFault(StrEnum):
    """Why a file cannot be read at all."""

    TOO_LARGE = auto()
    EMPTY = auto()
    ENCODING = auto()
    """It is text in none of the encodings, or in several."""
    NOT_CSV = auto()
    KEY_COLUMN = auto()
    """No column is that of the external key, or several are."""
    ACCOUNT_COLUMN = auto()
    TOO_MANY_ROWS = auto()
    ROWS = auto()
    """Some rows are wrong."""


FILE_FAULTS: Final = {
    FileFault.TOO_LARGE: "the file has more than 16 MiB",
    FileFault.EMPTY: "the file has no member",
    FileFault.ENCODING: "the encoding of the file is not clear; choose it",
    FileFault.NOT_CSV: "the file is not a CSV file",
    FileFault.KEY_COLUMN: "the column of the External Key is not clear; name it",
    FileFault.ACCOUNT_COLUMN: "the column of the members' accounts is not clear; name it",
    FileFault.TOO_MANY_ROWS: "the file has more than 200,000 rows",
    FileFault.ROWS: "some rows are wrong",
}


class RowFault(StrEnum):
    """Why a row is wrong."""

    CELLS = auto()
    NO_ACCOUNT = auto()
    ACCOUNT_TWICE = auto()
    TOO_LONG = auto()
    CONTROL = auto()


ROW_FAULTS: Final = {
    RowFault.CELLS: "it has more or fewer cells than the first line",
    RowFault.NO_ACCOUNT: "it names no account",
    RowFault.ACCOUNT_TWICE: "its account is in the file twice",
    RowFault.TOO_LONG: "its account or its key is too long: is this the right column?",
    RowFault.CONTROL: "its account or its key contains a control character",
}


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that is wrong, by the line on which it begins."""

    line: int
    account: str
    fault: RowFault


class BadMembersFile(Refused):
    """A file that was not read; nothing was kept of it.

    ``detail`` names the line or the columns, ``rows`` are the first ``MOST_FAULTS`` of the
    ``wrong`` ones.
    """

    def __init__(
        self, fault: FileFault, detail: str = "", rows: Sequence[WrongRow] = (), wrong: int = 0
    ) -> None:
        super().__init__(": ".join(filter(None, (FILE_FAULTS[fault], detail))))
        self.fault = fault
        self.detail = detail
        self.rows = tuple(rows)
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Choices:
    """What an administrator says about a file, where it is not clear; columns by their header."""

    encoding: str | None = None
    key_column: str | None = None
    account_column: str | None = None


NO_CHOICES: Final = Choices()


def read_members(data: bytes, choices: Choices = NO_CHOICES) -> list[Member]:
    """The members in a file. Raises BadMembersFile."""
    if len(data) > MOST_BYTES:
        raise BadMembersFile(FileFault.TOO_LARGE)
    text = _text_of(data, choices.encoding)
    rows = _rows(text)
    header = next(rows, (1, []))[1]
    body = list(_limited(rows))
    if not body:
        raise BadMembersFile(FileFault.EMPTY)
    return _members(body, _Columns.of(header, body, choices), len(header))


@dataclass(frozen=True, slots=True)
class _Columns:
    """The numbers of the columns."""

    account: int
    key: int
    name: int | None
    state: int | None

    @classmethod
    def of(
        cls, header: Sequence[str], body: Sequence[tuple[int, list[str]]], choices: Choices
    ) -> "_Columns":
        folded = [_folded(each) for each in header]
        key = _column(header, folded, _KEY_HEADERS, choices.key_column)
        if key is None:
            raise BadMembersFile(FileFault.KEY_COLUMN, _listed(header))
        account = _column(header, folded, _ACCOUNT_HEADERS, choices.account_column)
        if account is None and choices.account_column is None:
            account = _only_addresses(body, len(header))
        if account is None or account == key:
            raise BadMembersFile(FileFault.ACCOUNT_COLUMN, _listed(header))
        return cls(
            account,
            key,
            _column(header, folded, _NAME_HEADERS, None),
            _column(header, folded, _STATE_HEADERS, None),
        )


def _column(
    header: Sequence[str], folded: Sequence[str], known: frozenset[str], chosen: str | None
) -> int | None:
    """The only column with the chosen name, or else with a known one."""
    if chosen is not None:
        fitting = [at for at, each in enumerate(header) if each.strip() == chosen.strip()]
    else:
        fitting = [at for at, each in enumerate(folded) if each in known]
    return fitting[0] if len(fitting) == 1 else None


def _only_addresses(body: Sequence[tuple[int, list[str]]], width: int) -> int | None:
    """The only column in which every cell is an address."""
    fitting = [
        at
        for at in range(width)
        if all(len(cells) > at and _ADDRESS.fullmatch(cells[at].strip()) for _, cells in body)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _members(body: Sequence[tuple[int, list[str]]], columns: _Columns, width: int) -> list[Member]:
    members: dict[str, Member] = {}
    wrong: list[WrongRow] = []
    for line, cells in body:
        account = cells[columns.account].strip().lower() if len(cells) == width else ""
        fault = _fault(cells, account, columns, width)
        if fault is None and account in members:
            fault = RowFault.ACCOUNT_TWICE
        if fault is None:
            members[account] = _member(account, cells, columns)
        else:
            wrong.append(WrongRow(line, _shown(account), fault))
    if wrong:
        first = f"{len(wrong)}, the first in line {wrong[0].line}: {ROW_FAULTS[wrong[0].fault]}"
        raise BadMembersFile(FileFault.ROWS, first, wrong[:MOST_FAULTS], len(wrong))
    return list(members.values())


def _fault(cells: Sequence[str], account: str, columns: _Columns, width: int) -> RowFault | None:
    if len(cells) != width:
        return RowFault.CELLS
    key = cells[columns.key]
    if not account:
        return RowFault.NO_ACCOUNT
    if len(account) > LONGEST_ACCOUNT or len(key) > MAX_EXTERNAL_KEY:
        return RowFault.TOO_LONG
    if not (account.isprintable() and key.isprintable()):
        return RowFault.CONTROL
    return None


def _member(account: str, cells: Sequence[str], columns: _Columns) -> Member:
    name = "" if columns.name is None else cells[columns.name].strip()
    state = "" if columns.state is None else _folded(cells[columns.state])
    return Member(
        account=account,
        name=_shown(name),
        # Compared as it is: LINE WORKS does not say that it ignores blanks.
        external_key=cells[columns.key] or None,
        state=_STATE_BY_WORD.get(state, MemberState.UNKNOWN),
    )


def _shown(text: str) -> str:
    return "".join(each for each in text[:LONGEST_NAME] if each.isprintable())


def _listed(header: Sequence[str]) -> str:
    return ", ".join(_shown(each.strip()) for each in header[:20])


def _folded(text: str) -> str:
    return re.sub(r"[\s_\-]", "", unicodedata.normalize("NFKC", text)).casefold()


def _limited(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            raise BadMembersFile(FileFault.TOO_MANY_ROWS)
        yield row


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    begins = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise BadMembersFile(FileFault.NOT_CSV, f"line {begins}") from None
        if any(row):
            yield begins, row
        begins = reader.line_num + 1


def _delimiter(text: str) -> str:
    """The delimiter, by the first line alone."""
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    return max(",\t;", key=first.count)


def _text_of(data: bytes, encoding: str | None) -> str:
    """The text of a file, without a byte order mark."""
    if encoding is not None and encoding not in ENCODINGS:
        raise BadMembersFile(FileFault.ENCODING)
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return _decoded(data, marked)
    if encoding is not None:
        return _decoded(data, encoding)
    with suppress(UnicodeDecodeError):
        return _without_nul(data.decode())
    readings = (ordinary_text(data, each, is_exact=True) for each in _OLDER)
    fitting = [text for text in readings if text is not None]
    if len(fitting) > 1:
        fitting = [text for text in fitting if _has_known_header(text)]
    if len(fitting) != 1:
        raise BadMembersFile(FileFault.ENCODING)
    return _without_nul(fitting[0])


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return _without_nul(data.decode(encoding))
    except UnicodeDecodeError:
        raise BadMembersFile(FileFault.ENCODING, encoding) from None


def _without_nul(text: str) -> str:
    before, nul, _ = text.partition("\0")
    if nul:
        line = before.count("\n") + 1
        raise BadMembersFile(FileFault.NOT_CSV, f"line {line}")
    return text


def _has_known_header(text: str) -> bool:
    """Whether a column is named in words of the language, not only in ASCII."""
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    known = _KEY_HEADERS | _ACCOUNT_HEADERS | _NAME_HEADERS | _STATE_HEADERS
    cells = [_folded(each.strip('"')) for each in first.split(_delimiter(text))]
    return any(each in known and not each.isascii() for each in cells)
