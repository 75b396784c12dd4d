"""Token calls that each come on a connection of their own, beside what the handshakes alone allow.

The yardstick is the bare handler with the same certificate on the same server, which answers a
request that needs nothing: a client that agrees on TLS and asks nothing would measure the server's
patience. So both have the handshake, the connection, and one HTTP message each way; what is
compared is the call. Each connection agrees on TLS anew, or goes on with the session of an earlier
one.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contestants import Bare, Worksgate, bare_server
from load import Failed, Template
from machine import Spent
from measures import TOKENS, Plan, rest
from openloop import Offer, closed_loop
from process import Server

MOST = 5_000
"""Calls a second for which there are codes; a load that has used them up ends before its time."""


def token_calls(plan: Plan) -> dict[str, Any]:
    """Rounds of both, in turns, with sessions that are not resumed and with such that are."""
    ours, bare = Worksgate(plan.folder / "tls"), Bare(plan.folder / "handshakes")
    serve_with_tls(ours, plan.cores.server)
    try:
        certificate, key = certificate_in(bare.folder)
        files = (str(certificate), str(key))
        bare.server = bare_server(bare, "bare.py", bare.database, plan.cores.server, *files)
        bare.server.wait()
        time.sleep(0.5)
        try:
            return {
                kind: _rounds(plan, ours, bare, resumed=kind == "resumed")
                for kind in ("full", "resumed")
            }
        finally:
            bare.server.stop()
    finally:
        ours.server.stop()


def _rounds(plan: Plan, ours: Worksgate, bare: Bare, *, resumed: bool) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {"token": [], "handshake": []}
    for number in range(plan.rounds + 1):
        token = _token(plan, ours, resumed=resumed)
        values = [f"{value:08}" for value in range(TOKENS)]
        trivial = Template.page("/readyz?")
        handshake = _send(plan, bare.server, trivial, values, once=False, resumed=resumed)
        if number:  # the first one of each was to warm up
            found["token"].append(token)
            found["handshake"].append(handshake)
            plan.say(
                f"tls       round {number}/{plan.rounds}  {'resumed' if resumed else 'full':8} "
                f"{token['rate']:,.0f} token calls/s, {handshake['rate']:,.0f} handshakes/s"
            )
    return found


def _token(plan: Plan, ours: Worksgate, *, resumed: bool) -> dict[str, float]:
    codes = ours.codes(int(MOST * plan.seconds))
    template = ours.token_call(codes)
    facts = _send(plan, ours.server, template, codes, once=True, resumed=resumed)
    ours.check_tokens(int(facts["answers"]))
    ours.check_audit("token", int(facts["answers"]))
    return facts


def _send(
    plan: Plan,
    server: Server,
    template: Template,
    values: Sequence[str],
    *,
    once: bool,
    resumed: bool,
) -> dict[str, float]:
    """One load, and what each answer cost. Raises Failed where one was not a good one."""
    pid = server.process.pid
    before = Spent.so_far(pid)
    offer = closed_loop(
        server.port,
        template,
        values,
        seconds=plan.seconds,
        connections=plan.connections,
        core=plan.cores.load,
        once=once,
        tls=True,
        resumed=resumed,
    )
    rest(pid)
    each = Spent.so_far(pid).each(offer.good, before)
    _check(plan, offer, resumed=resumed)
    return {
        "rate": round(offer.useful_rate, 1),
        "answers": offer.good,
        "p50_ms": offer.good_p50_ms,
        "p99_ms": offer.good_p99_ms,
        "generator": round(offer.generator_seconds / offer.seconds, 2),
        **each,
    }


def _check(plan: Plan, offer: Offer, *, resumed: bool) -> None:
    if offer.refused or offer.odd or offer.closed or offer.unanswered or not offer.good:
        raise Failed(f"not every call was answered: {offer}")
    # Those that were under way before the server gave its first session had none.
    if offer.resumed < (offer.good - 4 * plan.connections if resumed else 0):
        raise Failed(f"{offer.resumed} of {offer.good} connections were resumed")


def serve_with_tls(installation: Worksgate, core: int | None) -> Server:
    """Start an installation that speaks TLS, with a certificate as is usual today."""
    certificate, key = certificate_in(installation.folder)
    installation.environment["WORKSGATE_PUBLIC_URL"] = f"https://127.0.0.1:{installation.port}"
    installation.server = Server(
        installation.program("serve", "--tls-cert", str(certificate), "--tls-key", str(key)),
        installation.port,
        installation.folder,
        core=core,
        environment=installation.environment,
    )
    installation.server.wait()
    time.sleep(0.5)  # the port is open a moment before the first request is answered
    return installation.server


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A new certificate for an elliptic curve (P-256), and its key. Raises Failed."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command: list[str | Path] = ["openssl", "req", "-x509", "-nodes", "-days", "2"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=127.0.0.1"]
    done = subprocess.run(
        [*command, "-keyout", key, "-out", certificate], capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"openssl: {done.stderr.strip()[-300:]}")
    return certificate, key
