"""Have the files of deploy/ judged by the tools that they are written for.

Rules and dashboard of ``deploy/prometheus`` and ``deploy/grafana`` are not among them:
``tests/observability/test_rules.py`` runs the alerts too.

A tool that is not installed is a failure where CI=true, and elsewhere a line that says so.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
HTTPD_MODULES = (
    *("mpm_event", "authz_core", "headers", "http2", "proxy", "proxy_http", "reqtimeout"),
    *("alias", "socache_shmcb", "ssl"),
)
MOST_EXPOSURE = 20
"""What `systemd-analyze security` may find, in tenths: 0 is nothing, 100 everything."""


def main() -> int:
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin{os.pathsep}{Path(sys.executable).parent}"
    return sum(
        check() for check in (_container, _kubernetes, _systemd, _nginx, _caddy, _haproxy, _httpd)
    )


def _container() -> int:
    return _run("hadolint", str(DEPLOY / "container" / "Containerfile"))


def _kubernetes() -> int:
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    kinds = [str(each) for each in files if each.name != "kustomization.yaml"]
    return _run("kubernetes-validate", "--strict", "--quiet", *kinds)


def _systemd() -> int:
    units = DEPLOY / "systemd"
    replaced = {r"^ExecStart=\S+": f"ExecStart={shutil.which('true')}"}
    with _copy(units / "worksgate.service", replaced) as copy:
        port = shutil.copy(units / "worksgate.socket", copy.parent)
        return _run("systemd-analyze", "verify", "--man=no", str(copy), port) + _run(
            "systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE}",
            "--no-pager", str(copy),
        )  # fmt: skip


def _nginx() -> int:
    site = DEPLOY / "nginx" / "worksgate.conf"
    with _certificate() as (chain, key):
        replaced = {
            r"/etc/letsencrypt/\S+/fullchain.pem": str(chain),
            r"/etc/letsencrypt/\S+/privkey.pem": str(key),
            r"/var/log/nginx": str(chain.parent),
        }
        with _copy(site, replaced) as copy:
            main_file = copy.with_name("nginx.conf")
            main_file.write_text(
                f"pid {chain.parent}/pid; events {{}} http {{ include {copy}; }}", "utf-8"
            )
            return _run("nginx", "-q", "-t", "-e", "stderr", "-c", str(main_file))


def _caddy() -> int:
    with _copy(DEPLOY / "caddy" / "Caddyfile", {r"/var/log/caddy": tempfile.gettempdir()}) as copy:
        return _run("caddy", "validate", "--adapter", "caddyfile", "--config", str(copy))


def _haproxy() -> int:
    with _certificate() as (chain, key):
        folder = chain.parent / "certs"
        folder.mkdir()
        (folder / "site.pem").write_bytes(chain.read_bytes() + key.read_bytes())
        replaced = {r"/etc/haproxy/certs/": f"{folder}/"}
        with _copy(DEPLOY / "haproxy" / "haproxy.cfg", replaced) as copy:
            return _run("haproxy", "-c", "-q", "-f", str(copy))


def _httpd() -> int:
    with _certificate() as (chain, key):
        replaced = {
            r"/etc/letsencrypt/\S+/fullchain.pem": str(chain),
            r"/etc/letsencrypt/\S+/privkey.pem": str(key),
            r"/var/log/apache2": str(chain.parent),
        }
        with _copy(DEPLOY / "httpd" / "worksgate.conf", replaced) as copy:
            modules = "".join(
                f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                for name in HTTPD_MODULES
            )
            main_file = copy.with_name("httpd.conf")
            main_file.write_text(
                f"{modules}ServerName check\nListen 443\nDefaultRuntimeDir {chain.parent}\n"
                f"ErrorLog {chain.parent}/error.log\nInclude {copy}\n",
                "utf-8",
            )
            return _run("apache2", "-t", "-f", str(main_file))


def _run(*command: str) -> int:
    """Whether a tool has something to say against a file: 0 or 1."""
    if shutil.which(command[0]) is None:
        if os.environ.get("CI") == "true":
            print(f"{command[0]} is not installed", file=sys.stderr)
            return 1
        print(f"not checked, for there is no {command[0]} here: {command[-1]}", file=sys.stderr)
        return 0
    print("+", *command[:2], file=sys.stderr)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
    return int(done.returncode != 0)


@contextmanager
def _copy(file: Path, replaced: dict[str, str]) -> Iterator[Path]:
    """A copy of a file in which what only a real server has is replaced."""
    text = file.read_text("utf-8")
    for pattern, replacement in replaced.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"{file} has no {pattern}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        copy.write_text(text, "utf-8")
        yield copy


@contextmanager
def _certificate() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        what = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=check"
        command = ["openssl", "req", *what.split(), "-keyout", str(key), "-out", str(chain)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # ours
        yield chain, key


if __name__ == "__main__":
    sys.exit(min(main(), 1))
