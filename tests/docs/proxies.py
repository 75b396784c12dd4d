"""The real nginx, Caddy, HAProxy and httpd, run with exactly the files of ``deploy/``.

Only what must differ on a test machine is replaced: ports, paths and the certificate.
"""

import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worksgate.bootstrap.server import with_trusted_proxies

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "sso.example.com"
CALLER = "127.0.0.2"
"""The address that requests come from, so that it differs from the proxy's own."""
START_TIME = 120.0
PATIENCE = 60.0
"""Seconds that an answer may take on a busy machine."""


@dataclass(frozen=True)
class Certificate:
    """A certificate for ``HOST`` that nobody trusts, and its key."""

    chain: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    made = Certificate(folder / "chain.pem", folder / "key.pem")
    what = f"-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={HOST}"
    names = ["-addext", f"subjectAltName=DNS:{HOST}"]
    where = ["-keyout", str(made.key), "-out", str(made.chain)]
    command = ["openssl", "req", *what.split(), *names, *where]
    subprocess.run(command, check=True, capture_output=True)
    return made


@dataclass(frozen=True)
class Ports:
    https: int
    http: int
    upstream: int


@dataclass(frozen=True)
class Proxy:
    """A running web server; ``folder`` holds all that it writes."""

    ports: Ports
    folder: Path

    def get(self, path: str, *, https: bool = True, **headers: str) -> httpx2.Response:
        return self.request("GET", path, https=https, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        https: bool = True,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> httpx2.Response:
        """Send a request from ``CALLER``, without following a redirect."""
        port = self.ports.https if https else self.ports.http
        url = f"{'https' if https else 'http'}://127.0.0.1:{port}{path}"
        transport = httpx2.HTTPTransport(verify=False, local_address=CALLER)
        with httpx2.Client(transport=transport, timeout=PATIENCE) as http:
            return http.request(
                method,
                url,
                content=body or None,
                headers={"Host": HOST, **(headers or {})},
                extensions={"sni_hostname": HOST},
            )

    def send_bytes(self, data: bytes) -> bytes:
        """Send bytes that no HTTP library would, over plain http; the beginning of the answer."""
        with socket.create_connection(("127.0.0.1", self.ports.http), PATIENCE) as connection:
            connection.sendall(data)
            return connection.recv(4_096)

    @contextmanager
    def held(
        self, number: int, unfinished: bytes, *, https: bool = True
    ) -> Iterator[list[socket.socket]]:
        """Connections from 127.0.0.1, on each of which a request was begun: those let in."""
        port = self.ports.https if https else self.ports.http
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        with ExitStack() as opened:
            connections = []
            for _ in range(number):
                connection = socket.socket()
                if https:  # before it is connected: wrapping one that was just reset leaks it
                    connection = tls.wrap_socket(connection, server_hostname=HOST)
                opened.callback(connection.close)
                connection.settimeout(10)
                with suppress(OSError):
                    connection.connect(("127.0.0.1", port))
                    connection.sendall(unfinished)
                    connections.append(connection)
            yield connections

    def files_with(self, text: str) -> list[Path]:
        """All files that hold a text, logs or not, once all that was sent has been logged."""
        self._wait_for_logs()
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [path for path in files if text.encode() in path.read_bytes()]

    def _wait_for_logs(self) -> None:
        """Both write a line after the answer: wait for that of one more request."""
        path = f"/last/{time.monotonic_ns()}"
        self.get(path)
        until = time.monotonic() + START_TIME
        log = self.folder / "worksgate.log"
        while path.encode() not in log.read_bytes():
            assert time.monotonic() < until, f"{log} does not log requests"
            time.sleep(0.02)


class Upstream:
    """Stands for Worksgate: tells what arrived, and answers with a redirect that holds a code.

    ``queries`` are those of the requests whose head has come, but for the questions whether it is
    ready.
    """

    def __init__(self, answer_code: str, *, is_ready: bool = True) -> None:
        self._code = answer_code
        self._is_ready = is_ready
        self.queries: list[str] = []
        app = Starlette(
            routes=[
                Route("/readyz", self._readiness),
                Route("/{path:path}", self._answer, methods=["GET", "POST"]),
            ]
        )
        trusting = with_trusted_proxies(app, ("127.0.0.1/32",))
        config = uvicorn.Config(
            trusting,
            host="127.0.0.1",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def start(self) -> None:
        self._socket.listen()  # who calls before the server runs waits, and is not refused
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(START_TIME)
        self._socket.close()

    async def _readiness(self, request: Request) -> Response:
        return Response(status_code=200 if self._is_ready else 503)

    async def _answer(self, request: Request) -> Response:
        self.queries.append(request.url.query)
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        assert request.client is not None
        arrived = {
            "caller": request.client.host,
            "scheme": request.url.scheme,
            "host": request.headers["host"],
            "query": request.url.query,
            "body_size": len(body),
            "headers": sorted(request.headers.keys()),
        }
        location = f"https://auth.worksmobile.com/cb?code={self._code}"
        hop = {"Keep-Alive": "timeout=90"}  # as Worksgate says it to its proxies
        return JSONResponse(arrived, headers={"Location": location, **hop})


@contextmanager
def nginx(folder: Path, ports: Ports, certificate: Certificate) -> Iterator[Proxy]:
    site = (DEPLOY / "nginx" / "worksgate.conf").read_text("utf-8")
    replacements = {
        r"^    listen \[::\].*\n": "",
        r"listen 443": f"listen 127.0.0.1:{ports.https}",
        r"listen 80": f"listen 127.0.0.1:{ports.http}",
        r"127\.0\.0\.1:8080": f"127.0.0.1:{ports.upstream}",
        r"/etc/letsencrypt/live/sso\.example\.com/fullchain\.pem": str(certificate.chain),
        r"/etc/letsencrypt/live/sso\.example\.com/privkey\.pem": str(certificate.key),
        r"/var/log/nginx": str(folder),
    }
    site = _replaced(site, replacements)
    # Around the site everything is logged that nginx can log without a debugger.
    places = "\n".join(
        f"{name}_temp_path {folder / name};"
        for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    main = f"""
        {"user root;" if os.geteuid() == 0 else ""}
        daemon off;
        worker_processes 1;
        pid {folder}/nginx.pid;
        error_log {folder}/error.log info;
        events {{ worker_connections 512; }}
        http {{
            access_log {folder}/access.log combined;
            {places}
            {site}
        }}
    """
    config = folder / "nginx.conf"
    config.write_text(main, "utf-8")
    command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)]
    with _running(command, Proxy(ports, folder), {}) as proxy:
        yield proxy


def _caddy_options(ports: Ports) -> str:
    options = f"admin off\n\thttp_port {ports.http}\n\thttps_port {ports.https}\n"
    return options + "\tskip_install_trust\n\tdefault_bind 127.0.0.1\n"


@contextmanager
def caddy_before_the_console(
    folder: Path, ports: Ports, certificate: Certificate
) -> Iterator[Proxy]:
    """Caddy with the sample of ``docs/console.md``; the console is at ``HOST``."""
    page = (DEPLOY.parent / "docs" / "console.md").read_text("utf-8")
    (sample,) = re.findall(r"```caddyfile\n(.*?)```", page, flags=re.DOTALL)
    replacements = {
        r"^console\.example\.com \{": f"{HOST} {{\n\ttls {certificate.chain} {certificate.key}",
        r"127\.0\.0\.1:9443": f"127.0.0.1:{ports.upstream}",
    }
    site = f"{{\n\t{_caddy_options(ports)}}}\n{_replaced(sample, replacements)}"
    with _running_caddy(folder, ports, site) as proxy:
        yield proxy


@contextmanager
def caddy(folder: Path, ports: Ports, certificate: Certificate) -> Iterator[Proxy]:
    site = (DEPLOY / "caddy" / "Caddyfile").read_text("utf-8")
    replacements = {
        r"^\{\n": f"{{\n\t{_caddy_options(ports)}",
        r"^sso\.example\.com \{": f"{HOST} {{\n\ttls {certificate.chain} {certificate.key}",
        r"127\.0\.0\.1:8080": f"127.0.0.1:{ports.upstream}",
        r"/var/log/caddy": str(folder),
    }
    with _running_caddy(folder, ports, _replaced(site, replacements)) as proxy:
        yield proxy


@contextmanager
def _running_caddy(folder: Path, ports: Ports, site: str) -> Iterator[Proxy]:
    config = folder / "Caddyfile"
    config.write_text(site, "utf-8")
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]
    with _running(command, Proxy(ports, folder), home) as proxy:
        yield proxy


@contextmanager
def haproxy(
    folder: Path, ports: Ports, certificate: Certificate, *, files: int = 6_200
) -> Iterator[Proxy]:
    """``files`` is how many it may open, which is what it finds its ``maxconn`` by."""
    site = (DEPLOY / "haproxy" / "haproxy.cfg").read_text("utf-8")
    bundle = folder / "certificates"
    bundle.mkdir()
    chain, key = certificate.chain.read_bytes(), certificate.key.read_bytes()
    (bundle / "site.pem").write_bytes(chain + key)
    replacements = {
        r"/etc/haproxy/certs/": f"{bundle}/",
        r"bind :443": f"bind 127.0.0.1:{ports.https}",
        r"bind :80": f"bind 127.0.0.1:{ports.http}",
        r"10\.0\.0\.11:8080": f"127.0.0.1:{ports.upstream}",
        r"^    server two.*\n": "",
    }
    config = folder / "haproxy.cfg"
    config.write_text(_replaced(site, replacements), "utf-8")
    command = ["prlimit", f"--nofile={files}", "haproxy", "-db", "-f", str(config)]
    # It logs to standard output, which is where the others' log file is looked for.
    with _running(command, Proxy(ports, folder), {}, output="worksgate.log") as proxy:
        yield proxy


HTTPD_MODULES = (
    *("mpm_event", "authz_core", "headers", "http2", "proxy", "proxy_http", "reqtimeout"),
    *("alias", "socache_shmcb", "ssl"),
)


@contextmanager
def httpd(folder: Path, ports: Ports, certificate: Certificate) -> Iterator[Proxy]:
    site = (DEPLOY / "httpd" / "worksgate.conf").read_text("utf-8")
    replacements = {
        r"\*:443": f"127.0.0.1:{ports.https}",
        r"\*:80>": f"127.0.0.1:{ports.http}>",
        r"127\.0\.0\.1:8080": f"127.0.0.1:{ports.upstream}",
        r"/etc/letsencrypt/live/sso\.example\.com/fullchain\.pem": str(certificate.chain),
        r"/etc/letsencrypt/live/sso\.example\.com/privkey\.pem": str(certificate.key),
        r"/var/log/apache2": str(folder),
    }
    modules = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in HTTPD_MODULES
    )
    # Around the site everything is logged as a new installation of Debian does it.
    main = f"""
        {modules}
        ServerRoot {folder}
        ServerName localhost
        PidFile {folder}/httpd.pid
        DefaultRuntimeDir {folder}
        {"User www-data" if os.geteuid() == 0 else ""}
        {"Group www-data" if os.geteuid() == 0 else ""}
        Listen 127.0.0.1:{ports.https} https
        Listen 127.0.0.1:{ports.http}
        ErrorLog {folder}/error.log
        LogLevel warn
        {_replaced(site, replacements)}
    """
    config = folder / "httpd.conf"
    config.write_text(main, "utf-8")
    command = ["apache2", "-D", "FOREGROUND", "-f", str(config)]
    with _running(command, Proxy(ports, folder), {}) as proxy:
        yield proxy


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for pattern, replacement in replacements.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count, f"the configuration has no {pattern}"
    return text


@contextmanager
def _running(
    command: list[str],
    proxy: Proxy,
    environment: dict[str, str],
    output: str = "output.log",
) -> Iterator[Proxy]:
    log = proxy.folder / output
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    try:
        _wait_for(proxy, process, log)
        yield proxy
    finally:
        process.terminate()
        process.wait(START_TIME)


def _wait_for(proxy: Proxy, process: "subprocess.Popen[bytes]", output: Path) -> None:
    until = time.monotonic() + START_TIME
    while process.poll() is None and time.monotonic() < until:
        try:
            for port in (proxy.ports.http, proxy.ports.https):
                socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{process.args!r} does not answer:\n{output.read_text('utf-8')}")
