"""``worksgate client apply --to``: a console elsewhere, with the token of a deployer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from tests.cli.terminal import Terminal

from worksgate.cli import console_client
from worksgate.cli.console_client import apply_at
from worksgate.cli.refusals import Refusal
from worksgate.web.console.applying import PATH

URL = "https://console.example.com"
DONE = {"name": "acme", "client_id": "1", "action": "add", "settings": [], "urls": {}}


@contextmanager
def console(status: int, document: object) -> Iterator[tuple[str, list[Any]]]:
    """A console on this machine that always gives one answer, and what it was sent."""
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # as the library calls it
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent.append((self.path, headers, json.loads(body)))
            answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # as the library calls it
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_path_is_that_of_the_console() -> None:
    assert console_client.PATH == PATH


def test_a_file_is_handed_over_with_the_token(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    file.write_text('[[client]]\nname = "acme"\n')
    terminal.has_database_url = False
    with console(200, {"plan": "p1", "clients": [DONE]}) as (url, sent):
        missing = terminal.refused("client", "apply", str(file), "--to", url)
        assert "set WORKSGATE_DEPLOYER_TOKEN" in missing
        terminal.environ["WORKSGATE_DEPLOYER_TOKEN"] = "wgd_a\n"
        shown = terminal.run("client", "apply", str(file), "--to", url, "--check")
        assert (shown.code, shown.out, "The plan is p1." in shown.err) == (3, "acme: add\n", True)
        token = tmp_path / "token"
        token.write_text("wgd_b\n")
        by_file = ("--to", url, "--token-file", str(token), "--plan", "p1")
        done = terminal.run("client", "apply", str(file), *by_file)
        assert (done.code, done.out) == (0, "acme: added\n")
        assert "make a new one in the console" in done.err
        assert terminal.json("client", "apply", str(file), *by_file) == [DONE]
    first, second, _ = sent
    assert (first[0], first[2]) == ("/api/apply?dry_run", [{"name": "acme"}])
    assert (second[0], second[1]["if-match"]) == ("/api/apply", '"p1"')
    assert [each[1]["authorization"] for each in sent[:2]] == ["Bearer wgd_a", "Bearer wgd_b"]
    assert "are for --to" in terminal.misused("client", "apply", str(file), "--plan", "p1")


def test_what_was_done_halfway_is_said(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    file.write_text("[]")
    terminal.environ["WORKSGATE_DEPLOYER_TOKEN"] = "wgd_a"
    with console(409, {"error": "changed meanwhile", "clients": [DONE]}) as (url, _):
        ended = terminal.run("client", "apply", str(file), "--to", url)
        assert (ended.code, ended.out) == (1, "acme: added\n")
        assert ended.err.endswith("worksgate: changed meanwhile\n")
    with console(412, {"error": "another plan", "plan": "p2", "clients": [DONE]}) as (url, _):
        stale = terminal.run("client", "apply", str(file), "--to", url, "--plan", "p1")
        assert (stale.code, stale.out) == (1, "acme: add\n")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://console.example.com", "only sent encrypted"),
        ("https://user:pass@console.example.com", "no password"),
        ("https://console.example.com/?x=1", "no address of a console"),
        ("console.example.com", "no address of a console"),
        ("https://[::1", "is no address"),
    ],
)
def test_r236_a_token_goes_only_where_it_is_safe(url: str, sentence: str) -> None:
    def never(_request: httpx2.Request) -> httpx2.Response:
        raise AssertionError("the token was sent")

    transport = httpx2.MockTransport(never)
    with pytest.raises(Refusal, match=sentence):
        apply_at(url, "wgd_a", [], plan=None, is_dry_run=False, transport=transport)


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(302, headers={"location": "https://elsewhere.example.com/"}),
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(500, json={}),
    ],
)
def test_r236_no_redirect_is_followed(response: httpx2.Response) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return response

    transport = httpx2.MockTransport(answer)
    with pytest.raises(Refusal, match="no console of Worksgate"):
        apply_at(URL, "wgd_a", [], plan=None, is_dry_run=False, transport=transport)
    assert asked == [f"{URL}/api/apply"]


def test_r253_no_proxy_sees_a_token_that_is_not_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    class Client:
        def __init__(self, **options: object) -> None:
            seen.append(options["trust_env"])
            raise httpx2.ConnectError("nobody is there")

    monkeypatch.setattr(httpx2, "Client", Client)
    for url in ("http://127.0.0.1:9", "https://console.example.com"):
        with pytest.raises(Refusal):
            apply_at(url, "wgd_x", [], plan=None, is_dry_run=True)
    assert seen == [False, True]
