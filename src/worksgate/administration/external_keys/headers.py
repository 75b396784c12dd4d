"""What the columns of LINE WORKS' file are called, in the languages of its console.

The names are not documented: these are what other consoles of LINE WORKS use, and what would be
said. A column that has none of them has to be named by the administrator.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from worksgate.administration.external_keys.faults import BadMembersFile, FileFault
from worksgate.directory.going_live import MemberState

LONGEST_NAME: Final = 200
"""Characters; more of a name is cut off."""

KEY_HEADERS: Final = frozenset(
    (
        *("externalkey", "memberexternalkey", "userexternalkey"),
        *("外部キー", "外部key", "외부키", "외부key", "外部键", "外部鍵", "外部金鑰"),
    )
)
ACCOUNT_HEADERS: Final = frozenset(
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
NAME_HEADERS: Final = frozenset(
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
STATE_HEADERS: Final = frozenset(
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


def column(header: Sequence[str], known: frozenset[str], chosen: str | None = None) -> int | None:
    """The number of the only column with the chosen name, or else with a known one."""
    if chosen is not None:
        fitting = [at for at, each in enumerate(header) if each.strip() == chosen.strip()]
    else:
        fitting = [at for at, each in enumerate(header) if folded(each) in known]
    return fitting[0] if len(fitting) == 1 else None


def key_column(header: Sequence[str], chosen: str | None) -> int:
    """The column of the External Key. Raises BadMembersFile."""
    found = column(header, KEY_HEADERS, chosen)
    if found is None:
        raise BadMembersFile(FileFault.KEY_COLUMN, listed(header))
    return found


def state_of(text: str) -> MemberState:
    """What a cell says of the state of a member."""
    return _STATE_BY_WORD.get(folded(text), MemberState.UNKNOWN)


def has_known_header(header: Sequence[str]) -> bool:
    """Whether a column is named in words of the language, not only in ASCII."""
    known = KEY_HEADERS | ACCOUNT_HEADERS | NAME_HEADERS | STATE_HEADERS
    return any(each in known and not each.isascii() for each in map(folded, header))


def folded(text: str) -> str:
    """A name without its width, case, blanks and marks."""
    return re.sub(r"[\s_\-]", "", unicodedata.normalize("NFKC", text)).casefold()


def shown(text: str) -> str:
    """A text of the file for an administrator."""
    return "".join(each for each in text[:LONGEST_NAME] if each.isprintable())


def listed(header: Sequence[str]) -> str:
    """The first columns by name, for an administrator."""
    return ", ".join(shown(each.strip()) for each in header[:20])
