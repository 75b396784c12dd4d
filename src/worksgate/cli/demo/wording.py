"""The texts of the other company's provider and of the door to the console, by language."""

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
        "console.title": "The administrators’ console",
        "console.lead": "You are the owner of Example Trading’s sign-in: 300 people, four weeks of "
        "sign-ins. It is a demonstration, so you may change everything.",
        "console.open": "Open the console",
        "console.mistakes": "Three calls this morning",
        "console.find": "Three things are wrong on purpose. Can you find out why in the console?",
        "console.answer": "What is wrong",
        "console.show": "Show it",
        "console.again": "To sign in like anybody else",
        "console.again_hint": "For some things the console asks for a code again. Reload this page "
        "for the next one.",
        "console.username": "User name",
        "console.password": "Password",
        "console.code": "Code",
        "console.seconds": "{} more seconds",
    },
    "ja": {
        "title": "どなたですか？",
        "lead": "このプロバイダーはデモ専用なので、パスワードは不要です。",
        "cancel": "キャンセル",
        "about": "このマシンで動く、別の会社のログインページです",
        "unknown.title": "受け付けられないリクエストです",
        "unknown.text": "元のページに戻り、最初からやり直してください。",
        "console.title": "管理コンソール",
        "console.lead": "あなたはExample Tradingのログインを管理するオーナーです。"
        "社員は300人、ログイン記録は4週間分あります。デモなので、何を変更しても構いません。",
        "console.open": "コンソールを開く",
        "console.mistakes": "今朝の3件の問い合わせ",
        "console.find": "わざと3か所を間違えてあります。コンソールで原因を見つけられますか。",
        "console.answer": "答えを見る",
        "console.show": "該当ページを開く",
        "console.again": "通常の手順でログインするには",
        "console.again_hint": "操作によってはコードの再入力を求められます。"
        "このページを再読み込みすると次のコードが出ます。",
        "console.username": "ユーザー名",
        "console.password": "パスワード",
        "console.code": "コード",
        "console.seconds": "残り{}秒",
    },
    "ko": {
        "title": "누구신가요?",
        "lead": "이 공급자는 데모 전용이므로 비밀번호를 묻지 않습니다.",
        "cancel": "취소",
        "about": "이 컴퓨터에서 실행되는 다른 회사의 로그인 페이지입니다",
        "unknown.title": "받아들일 수 없는 요청입니다",
        "unknown.text": "이전 페이지로 돌아가 처음부터 다시 시작해 주세요.",
        "console.title": "관리 콘솔",
        "console.lead": "당신은 Example Trading의 로그인을 관리하는 소유자입니다. 직원 300명과 "
        "4주간의 로그인 기록이 있습니다. 데모이므로 무엇이든 바꿔 보아도 됩니다.",
        "console.open": "콘솔 열기",
        "console.mistakes": "오늘 아침의 문의 3건",
        "console.find": "일부러 세 군데를 잘못해 두었습니다. 콘솔에서 원인을 찾을 수 있을까요?",
        "console.answer": "답 보기",
        "console.show": "해당 페이지 열기",
        "console.again": "일반적인 방법으로 로그인하려면",
        "console.again_hint": "작업에 따라 코드를 다시 묻습니다. "
        "이 페이지를 새로 고치면 다음 코드가 나옵니다.",
        "console.username": "아이디",
        "console.password": "비밀번호",
        "console.code": "코드",
        "console.seconds": "{}초 남음",
    },
}
