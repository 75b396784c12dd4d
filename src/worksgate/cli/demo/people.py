"""The people to sign in as, and what each of them demonstrates."""

from collections.abc import Mapping
from dataclasses import dataclass

PASSWORD = "paper lantern by the river"


@dataclass(frozen=True, slots=True)
class Guest:
    """A person of the built-in directory; ``has_code``: they have an authenticator app."""

    username: str
    name: str
    external_key: str
    works_account: str
    note: Mapping[str, str]
    enabled: bool = True
    has_code: bool = False


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person of the other company, whose provider signs them in."""

    subject: str
    name: str
    email: str
    employee_number: str


GUESTS = (
    Guest(
        "aoi@example.com",
        "Aoi Tanaka",
        "E-1001",
        "aoi@example.com",
        {
            "en": "An ordinary sign-in, by browser or mail app.",
            "ja": "通常のログインです。ブラウザーでもメールアプリでも試せます。",
            "ko": "일반적인 로그인입니다. 브라우저로도 메일 앱으로도 해 볼 수 있습니다.",
        },
    ),
    Guest(
        "minjun@example.com",
        "Minjun Kim",
        "E-1002",
        "minjun@example.com",
        {
            "en": "A second person: sign in as one, then switch to the other.",
            "ja": "2人目のユーザーです。一方でログインしたまま、もう一方を指定してみてください。",
            "ko": "두 번째 사용자입니다. 한 명으로 로그인한 뒤 다른 사람을 요청해 보세요.",
        },
    ),
    Guest(
        "taylor@example.com",
        "Taylor Reed",
        "E-1003",
        "taylor@example.com",
        {
            "en": "Disabled by the administrator: the sign-in is refused.",
            "ja": "管理者が無効にしたユーザーです。ログインは拒否されます。",
            "ko": "관리자가 비활성화한 사용자입니다. 로그인이 거부됩니다.",
        },
        enabled=False,
    ),
    Guest(
        "hana@example.com",
        "Hana Mori",
        "E-1004",
        "hana@example.com",
        {
            "en": "Has an authenticator app. A mail app gets in with an app password only.",
            "ja": "認証アプリを使っています。メールアプリではアプリパスワードだけが使えます。",
            "ko": "인증 앱을 씁니다. 메일 앱에서는 앱 비밀번호만 쓸 수 있습니다.",
        },
        has_code=True,
    ),
)

PARTNER = "Partner"
"""What the button on the sign-in page calls the other company."""

COLLEAGUES = (
    Colleague("3f0c8b52", "Sora Ito", "sora@partner.example", "P-2001"),
    Colleague("a91d4e77", "Emma Novak", "emma@partner.example", "P-2002"),
)

COLLEAGUE_NOTE = {
    "en": "Works for a partner company: on the sign-in page, "
    f"press “Continue with {PARTNER}”. Nobody needs a password there.",
    "ja": f"取引先の社員です。ログインページで「{PARTNER}アカウントでログイン」を押してください。"
    "そこではパスワードは不要です。",
    "ko": f"협력사 직원입니다. 로그인 페이지에서 ‘{PARTNER} 계정으로 로그인’을 누르세요. "
    "그곳에서는 비밀번호가 필요 없습니다.",
}
