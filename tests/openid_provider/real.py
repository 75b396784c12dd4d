"""node-oidc-provider, a third-party provider, run by the tests that need one.

``tools/setup`` on CI, or the first test, installs it into ``node_modules``.
"""

import fcntl
import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

HERE = Path(__file__).parent
CLIENT_ID = "worksgate"
CLIENT_SECRET = "secret of +%/& worksgate"

_FORM = re.compile(r'<form [^>]*action="([^"]+)"')
_PROMPT = re.compile(r'name="prompt" value="(\w+)"')
_ABORT = re.compile(r'href="([^"]+/abort)"')


@dataclass(frozen=True)
class RealProvider:
    """A provider that runs; anybody can log in under any name."""

    issuer: str

    def visit(self, url: str) -> "Visit":
        """A browser that has opened ``url`` and stands before a page."""
        browser = httpx2.Client(follow_redirects=False, timeout=60)
        return Visit(browser, self.issuer).follow(url)


class Visit:
    """A browser at the provider: on a page of its, or about to leave for elsewhere."""

    def __init__(self, browser: httpx2.Client, issuer: str) -> None:
        self._browser = browser
        self._issuer = issuer
        self.page = ""
        self.left_for: str | None = None

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._browser.close()

    def follow(self, url: str) -> "Visit":
        return self._arrive(self._browser.get(url))

    def log_in(self, login: str) -> "Visit":
        """Fill in the login form, and consent to all that is asked."""
        self._submit(login=login, password="any password is good")
        while self.left_for is None and _PROMPT.search(self.page):
            self._submit()
        return self

    def cancel(self) -> "Visit":
        found = _ABORT.search(self.page)
        assert found, self.page
        return self.follow(urljoin(self._issuer, html.unescape(found[1])))

    def submit(self, **fields: str) -> "Visit":
        """Send the form of the page, with its hidden fields and these."""
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page))
        return self._send({**hidden, **fields})

    def answer(self) -> dict[str, str]:
        """The query that the browser left with."""
        assert self.left_for is not None, self.page
        self.close()
        return dict(parse_qsl(urlsplit(self.left_for).query))

    def _submit(self, **fields: str) -> None:
        prompt = _PROMPT.search(self.page)
        assert prompt, self.page
        self._send({"prompt": prompt[1], **fields})

    def _send(self, fields: dict[str, str]) -> "Visit":
        form = _FORM.search(self.page)
        assert form, self.page
        url = urljoin(self._issuer, html.unescape(form[1]))
        return self._arrive(self._browser.post(url, data=fields))

    def _arrive(self, answer: httpx2.Response) -> "Visit":
        while answer.is_redirect:
            url = urljoin(str(answer.url), answer.headers["Location"])
            if not url.startswith(self._issuer):
                self.left_for = url
                return self
            answer = self._browser.get(url)
        self.page = answer.text
        return self


@contextmanager
def real_provider(
    redirect_uris: list[str], post_logout_redirect_uris: list[str] | None = None
) -> Iterator[RealProvider]:
    """Run a provider that knows the clients of ``server.mjs`` with these addresses."""
    install()
    clients = {
        "redirect_uris": redirect_uris,
        "post_logout_redirect_uris": post_logout_redirect_uris or [],
    }
    process = subprocess.Popen(
        ["node", HERE / "server.mjs", json.dumps(clients)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        try:
            issuer = next((line for line in process.stdout if line.startswith("http")), "")
            assert issuer, "the provider did not start"
            yield RealProvider(issuer.strip())
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(60)


def install() -> None:
    """Install the provider, once for all processes that ask, as the lock file has it."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise RuntimeError("the tests of upstream logins need node and npm")
    modules = HERE / "node_modules"
    modules.mkdir(exist_ok=True)
    mark = modules / ".set-up"
    wanted = sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == wanted:
            return
        subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
            cwd=HERE,
            check=True,
            capture_output=True,
        )
        mark.write_text(wanted)
