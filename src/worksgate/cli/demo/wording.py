"""The texts of the other company's provider, by language."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "Who are you?",
        "lead": "This provider exists for the demonstration only, so it asks for no password.",
        "cancel": "Cancel",
        "about": "Another company’s sign-in, played on this machine",
        "unknown.title": "This request is not from your company",
        "unknown.text": "Go back to where you came from, and start again there.",
    },
    "ja": {
        "title": "どなたですか？",
        "lead": "このプロバイダーはデモ専用なので、パスワードは不要です。",
        "cancel": "キャンセル",
        "about": "このマシンで動く、別の会社のログインページです",
        "unknown.title": "受け付けられないリクエストです",
        "unknown.text": "元のページに戻り、最初からやり直してください。",
    },
    "ko": {
        "title": "누구신가요?",
        "lead": "이 공급자는 데모 전용이므로 비밀번호를 묻지 않습니다.",
        "cancel": "취소",
        "about": "이 컴퓨터에서 실행되는 다른 회사의 로그인 페이지입니다",
        "unknown.title": "받아들일 수 없는 요청입니다",
        "unknown.text": "이전 페이지로 돌아가 처음부터 다시 시작해 주세요.",
    },
}
