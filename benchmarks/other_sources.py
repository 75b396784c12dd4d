"""Installations whose people come from elsewhere: an LDAP directory, another OpenID provider."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contestants import Worksgate
from process import ROOT
from provision import Missing
from sessions import BROWSERS, Browsers

sys.path.append(str(ROOT))

from tests import slapd


@dataclass(frozen=True)
class Source:
    """An installation that is not served yet, and how browsers get their sessions once it is.

    ``server_pid`` is the process that Worksgate asks about people, if it runs here.
    """

    installation: Worksgate
    browsers: Callable[[Worksgate], Browsers]
    server_pid: int | None = None


@contextmanager
def with_ldap(folder: Path) -> Iterator[Source]:
    """People of an OpenLDAP server, where they sign in with their password. Raises Missing."""
    if not slapd_is_here():
        raise Missing("OpenLDAP is not installed: apt-get install slapd")
    keys = folder / "ldap_keys"
    keys.mkdir()
    with slapd.running_slapd(folder / "slapd", slapd.Authority(keys)) as server:
        names = [f"user{number:03}" for number in range(BROWSERS)]
        for number, name in enumerate(names):
            mail = f"{name}@example.com"
            server.add_person(name, employeeNumber=f"E-{number:03}", mail=mail)
        installation = Worksgate(folder / "ldap")
        settings = {
            "type": "ldap",
            "name": "company",
            "servers": [server.tls_url],
            "ca_file": str(server.authority),
            "base_dn": slapd.BASE,
            "bind_dn": slapd.SERVICE,
            "bind_password": slapd.SERVICE_PASSWORD,
            "external_key_attribute": "employeeNumber",
        }
        _configure(installation, settings)
        yield Source(
            installation,
            lambda served: Browsers.signed_in(served, names, slapd.PASSWORD),
            server.running[-1].pid,
        )


@contextmanager
def with_openid(folder: Path) -> Iterator[Source]:
    """People of an OpenID provider, which cannot be asked again: it takes no part in a code."""
    installation = Worksgate(folder / "openid")
    settings = {
        "type": "oidc",
        "name": "elsewhere",
        "issuer": "https://login.example.com",
        "client_id": "worksgate",
        "client_secret": "a secret of the benchmark",
        "external_key_claim": "employee_number",
    }
    _configure(installation, settings)
    yield Source(installation, lambda served: Browsers.known_to(served, "elsewhere"))


def slapd_is_here() -> bool:
    """Whether the server is installed, with the parts that it needs."""
    found = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/sbin")
    return found is not None and Path("/etc/ldap/schema/core.schema").exists()


def _configure(installation: Worksgate, source: dict[str, object]) -> None:
    """One source beside the built-in directory; what JSON writes of these values TOML reads."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in source.items()]
    text = "\n".join(["[[source]]", *lines, ""])
    (installation.folder / "worksgate.toml").write_text(text, "utf-8")
