"""Three things that are wrong on purpose, for a newcomer to find in the console.

Each has what is seen of it, in the words of whoever calls the help desk, the place where the
console shows it, and what was done. ``company`` does it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from worksgate.cli.demo.history import ASKED_ABOUT, outage_day
from worksgate.cli.demo.staff import Employee

JOINER: Final = Employee("yuki.nakagawa@example.com", "中川 有希", "", "Sales")
"""Somebody new, whose External Key has been forgotten."""

MISTYPED_CLIENT: Final = "Demo, new office"
"""A client in whose redirect URI a letter is missing."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of them, by language. ``path`` is the page of the console that ``shows`` it now."""

    path: Callable[[datetime], str]
    shows: str
    call: Mapping[str, str]
    answer: Mapping[str, str]


def _trace_of_outage(now: datetime) -> str:
    """What went wrong when the provider was down."""
    return f"/trace?{urlencode({'q': f'{outage_day(now)} {ASKED_ABOUT:%H:%M}'})}"


MISTAKES: Final = (
    Mistake(
        lambda _: "/people?state=no_key",
        JOINER.name,
        {
            "en": "“I am new here, my password works, and still I do not get in.” "
            "Yuki Nakagawa calls.",
            "ja": "「入社したばかりです。パスワードは合っているのに、ログインできません」"
            "と中川有希さんから電話がありました。",
            "ko": "“새로 입사했는데 비밀번호가 맞아도 들어갈 수 없어요.” 나카가와 유키 님의 "
            "전화입니다.",
        },
        {
            "en": "Yuki has no External Key, so there is nothing to tell LINE WORKS. Today counts "
            "people without one; the page of the person sets it.",
            "ja": "External Keyが登録されておらず、LINE WORKSに渡す値がありません。"
            "「今日」に未登録者の人数が出ており、本人のページで登録できます。",
            "ko": "External Key가 없어서 LINE WORKS에 전달할 값이 없습니다. ‘오늘’에 키가 없는 "
            "사람 수가 나오고, 그 사람의 페이지에서 등록할 수 있습니다.",
        },
    ),
    Mistake(
        _trace_of_outage,
        "the source partner did not respond",
        {
            "en": "“On Tuesday morning none of us got in.” The partner company writes.",
            "ja": "「火曜日の朝、誰もログインできませんでした」と取引先から連絡がありました。",
            "ko": "“화요일 아침에 아무도 로그인하지 못했습니다.” 협력사에서 온 메일입니다.",
        },
        {
            "en": "Their OpenID provider did not respond from nine until a quarter to ten. No "
            "password was wrong: these sign-ins were interrupted, not refused.",
            "ja": "取引先のOpenIDプロバイダーが9時から9時45分まで応答しませんでした。"
            "パスワードの誤りではなく、ログインが中断されています。",
            "ko": "협력사의 OpenID 공급자가 9시부터 9시 45분까지 응답하지 않았습니다. 비밀번호가 "
            "틀린 것이 아니라 로그인이 중단된 것입니다.",
        },
    ),
    Mistake(
        lambda _: "/clients",
        MISTYPED_CLIENT,
        {
            "en": "“The new office sees an error page before anybody can type a name.”",
            "ja": "「新しい拠点では、名前を入力する前にエラーページが出ます」",
            "ko": "“새 사무실에서는 이름을 입력하기도 전에 오류 페이지가 나옵니다.”",
        },
        {
            "en": "The redirect URI of the client “Demo, new office” ends in /oauth/calback: one "
            "letter is missing, so what LINE WORKS sends is not on its list.",
            "ja": "クライアント「Demo, new office」のリダイレクトURIの末尾が/oauth/calbackになって"
            "います。1文字足りないため、LINE WORKSが送る値と一致しません。",
            "ko": "클라이언트 ‘Demo, new office’의 리디렉션 URI가 /oauth/calback으로 끝납니다. 한 "
            "글자가 빠져서 LINE WORKS가 보내는 값과 맞지 않습니다.",
        },
    ),
)


def mistyped(redirect_uri: str) -> str:
    """The redirect URI with a letter missing, as somebody has typed it."""
    return redirect_uri.replace("callback", "calback")
