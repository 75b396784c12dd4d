"""Sets up what the benchmarks need and the project does not: load generators, peers, libraries.

Everything goes into ``benchmarks/.peers`` and ``peers/node/node_modules``, is pinned with hashes,
and is left alone when it is there already.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE / ".peers"
NODE = HERE / "peers" / "node"
DJANGO = HERE / "peers" / "django"


class Missing(Exception):
    """Something is not there and cannot be installed here; the text says what to do."""


def require_wrk() -> None:
    """The load generator. Raises Missing."""
    if not shutil.which("wrk"):
        _apt("wrk", "the load generator wrk")
    if not shutil.which("taskset"):
        _apt("util-linux", "taskset")


def node_peer() -> Path:
    """The folder of node-oidc-provider, ready to run. Raises Missing."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Missing("node and npm are not installed: node-oidc-provider is left out")
    mark, wanted = NODE / "node_modules" / ".set-up", _fingerprint(NODE / "package-lock.json")
    if not (mark.exists() and mark.read_text() == wanted):
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        _run(command, "npm cannot install node-oidc-provider", NODE)
        mark.write_text(wanted)
    return NODE


def django_peer() -> Path:
    """The interpreter that has django-oauth-toolkit. Raises Missing."""
    return _environment("django", DJANGO / "requirements.txt")


def drawing_python() -> Path:
    """The interpreter that has the libraries for the chart and the simulation. Raises Missing."""
    return _environment("drawing", HERE.parent / "requirements" / "bench.txt")


def open_loop() -> Path:
    """The load generator that waits for nobody, compiled from ``openloop.c``. Raises Missing."""
    source, program = HERE / "openloop.c", PEERS / "openloop"
    mark, wanted = program.with_suffix(".set-up"), _fingerprint(source)
    if not (program.exists() and mark.exists() and mark.read_text() == wanted):
        if not shutil.which("gcc"):
            _apt("gcc", "the compiler gcc")
        if not Path("/usr/include/openssl/ssl.h").exists():
            _apt("libssl-dev", "OpenSSL's header")
        command: list[str | Path] = ["gcc", "-O2", "-o", program, source, "-lssl", "-lcrypto"]
        _run(command, "gcc cannot compile openloop.c")
        mark.write_text(wanted)
    return program


def _environment(name: str, requirements: Path) -> Path:
    folder = PEERS / name
    python = folder / "bin" / "python"
    mark, wanted = folder / ".set-up", _fingerprint(requirements)
    if not (mark.exists() and mark.read_text() == wanted):
        _say(f"installing {requirements.relative_to(HERE.parent)}")
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", folder], "no virtual environment")
        pip: list[str | Path] = [
            *_pip(),
            "--python",
            python,
            "install",
            "--quiet",
            "--require-hashes",
        ]
        pip += ["--disable-pip-version-check", "--only-binary", ":all:", "-r", requirements]
        _run(pip, f"pip cannot install {requirements.name}")
        mark.write_text(wanted)
    return python


def _pip() -> list[str]:
    """A pip of this environment, or else of the interpreter that it was made with."""
    for python in (sys.executable, sys._base_executable):  # type: ignore[attr-defined]  # since 3.7
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
            return [python, "-m", "pip"]
    raise Missing("there is no pip to install with")


def _apt(package: str, what: str) -> None:
    hint = f"{what} is not installed: apt-get install {package}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Missing(hint)
    _say(f"installing {package}")
    subprocess.run(["apt-get", "update", "-q"], capture_output=True)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", package]
    _run(command, hint)


def _run(command: Sequence[str | Path], problem: str, folder: Path = HERE) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"{problem}: {lines[-1] if lines else 'no reason given'}")


def _fingerprint(file: Path) -> str:
    return f"{sys.version_info[:2]} {sha256(file.read_bytes()).hexdigest()}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
