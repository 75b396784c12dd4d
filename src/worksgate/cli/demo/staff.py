"""The other people of the demonstrated company: 286 of its own, and eight of its partner.

Chance chooses them, and is the same at every start. Nobody of them exists.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

SEED: Final = 1
EMPLOYEES: Final = 286
CONTRACTORS: Final = 8
DEPARTMENTS: Final = ("Sales", "Engineering", "Logistics", "Support", "Finance")


@dataclass(frozen=True, slots=True)
class Employee:
    """One of them. ``number`` is that of the company, and their External Key."""

    username: str
    name: str
    number: str
    department: str


def employees() -> list[Employee]:
    """Those of the company, in the order of their numbers."""
    chance = Random(SEED)  # noqa: S311  # names, not secrets
    names = _distinct(chance, "example.com", EMPLOYEES)
    return [
        Employee(username, name, f"E-{number}", chance.choice(DEPARTMENTS))
        for number, (username, name) in enumerate(names, 2001)
    ]


def contractors() -> list[Employee]:
    """Those of the partner company, whose provider signs them in."""
    chance = Random(SEED + 1)  # noqa: S311  # names, not secrets
    names = _distinct(chance, "partner.example", CONTRACTORS)
    return [
        Employee(username, name, f"P-{number}", "Partner")
        for number, (username, name) in enumerate(names, 2101)
    ]


def _distinct(chance: Random, domain: str, count: int) -> Iterator[tuple[str, str]]:
    """Usernames with names; no username comes twice."""
    taken: set[str] = set()
    while len(taken) < count:
        [country] = chance.choices(_COUNTRIES, _WEIGHTS)
        family, given = chance.choice(country.families), chance.choice(country.givens)
        username = f"{given[0]}.{family[0]}@{domain}"
        if username not in taken:
            taken.add(username)
            yield username, country.pattern.format(family=family[1], given=given[1])


@dataclass(frozen=True, slots=True)
class _Country:
    """Names as pairs: in Latin letters, and as they are written."""

    pattern: str
    families: Sequence[tuple[str, str]]
    givens: Sequence[tuple[str, str]]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    words = text.split()
    return tuple(zip(words[::2], words[1::2], strict=True))


_JAPAN: Final = _Country(
    "{family} {given}",
    _pairs(
        "sato 佐藤 suzuki 鈴木 takahashi 高橋 watanabe 渡辺 ito 伊藤 yamamoto 山本 nakamura 中村 "
        "kobayashi 小林 kato 加藤 yoshida 吉田 yamada 山田 sasaki 佐々木 yamaguchi 山口 "
        "matsumoto 松本 inoue 井上 kimura 木村 hayashi 林 shimizu 清水 saito 斎藤 abe 阿部 "
        "ikeda 池田 hashimoto 橋本 ishikawa 石川 ogawa 小川 okada 岡田 hasegawa 長谷川 "
        "fujita 藤田 goto 後藤 kondo 近藤 endo 遠藤"
    ),
    _pairs(
        "haruto 陽翔 yui 結衣 sota 蒼太 mei 芽依 riku 陸 hina 陽菜 yuto 悠斗 sakura さくら "
        "kaito 海斗 rin 凛 daiki 大輝 misaki 美咲 kenta 健太 nanami 七海 takumi 拓海 ayaka 彩花 "
        "shota 翔太 mio 美桜 ryo 涼 akari 明里 tsubasa 翼 honoka 穂乃香 koji 浩二 keiko 恵子 "
        "makoto 誠"
    ),
)
_KOREA: Final = _Country(
    "{family}{given}",
    _pairs("kim 김 lee 이 park 박 choi 최 jung 정 kang 강 cho 조 yoon 윤 jang 장 lim 임"),
    _pairs(
        "jiwoo 지우 seojun 서준 hayoon 하윤 doyun 도윤 seoyeon 서연 jihoon 지훈 minseo 민서 "
        "hyunwoo 현우 yuna 유나 eunji 은지 taeyang 태양 sumin 수민"
    ),
)
_ELSEWHERE: Final = _Country(
    "{given} {family}",
    _pairs(
        "adams Adams baker Baker clark Clark evans Evans foster Foster hughes Hughes "
        "morgan Morgan novak Novak"
    ),
    _pairs(
        "emma Emma liam Liam olivia Olivia noah Noah sophie Sophie lucas Lucas grace Grace "
        "daniel Daniel chloe Chloe ethan Ethan"
    ),
)
_COUNTRIES: Final = (_JAPAN, _KOREA, _ELSEWHERE)
_WEIGHTS: Final = (66, 24, 10)
