"""A real Active Directory (Samba) for the tests: a domain with one controller.

Samba's ports are fixed (389 and 636), so the controller has an address of its own in 127.0.0.0/8,
which only this machine reaches, and whoever runs the tests must be allowed to listen there: root,
or everybody in most containers. All its files are in a folder of the test; what the machine has
of Samba otherwise is neither read nor written.

Everybody's password is ``PASSWORD``.
"""

import re
import secrets
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.slapd import PASSWORD, Authority, ldap3

from worksgate.settings.sources.ldap import MAX_TIMEOUT, LdapSettings

__all__ = ["PASSWORD", "DomainController", "missing", "running_domain_controller"]

_PROGRAM = Path("/usr/sbin/samba")
_TEMPLATES = Path("/usr/share/samba/setup")
_PYTHON = "/usr/bin/python3"
"""The system's, for which Samba's modules are made."""
DOMAIN = "ad.example.test"
BASE = "DC=ad,DC=example,DC=test"
PEOPLE = f"OU=社員,{BASE}"
GROUPS = f"OU=Groups,{BASE}"
SERVICE = f"worksgate@{DOMAIN}"
HOST = f"dc1.{DOMAIN}"
_POLICIES = f"CN=Password Settings Container,CN=System,{BASE}"
_ADMINISTRATOR = f"administrator@{DOMAIN}"
_ADMINISTRATOR_PASSWORD = "Administrator password 1"
_START_TIME = 120.0
_ORDINARY_ACCOUNT, _COMPUTER_ACCOUNT = 512, 4096
_NEVER = "-9223372036854775808"
_SECOND = 10_000_000
"""A second in the units of a directory, 100 ns. What lasts is a negative number there."""

_CONFIGURATION = """
[global]
netbios name = DC1
workgroup = AD
realm = {realm}
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
disable netbios = yes
private dir = {folder}/private
state directory = {folder}/state
lock directory = {folder}
cache directory = {folder}/cache
pid directory = {folder}/run
ncalrpc dir = {folder}/ncalrpc
binddns dir = {folder}/bind-dns
ntp signd socket directory = {folder}/ntp
winbindd socket directory = {folder}/winbindd
logging = file
log file = {folder}/log
# A power cut may take this domain with it, and nobody waits for the disk.
ldb:nosync = yes
{tls}
[sysvol]
path = {folder}/state/sysvol
[netlogon]
path = {folder}/state/sysvol/{domain}/scripts
"""

# Samba's own command gives files of the domain to users that a container may not have; for a
# directory alone they do not matter.
_PROVISION = f"""
import logging, sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.provision import provision

configuration, folder, address = sys.argv[1:]
loaded = LoadParm()
loaded.load(configuration)
provision(
    logging.getLogger(),
    system_session(loaded),
    smbconf=configuration,
    targetdir=folder,
    realm="{DOMAIN.upper()}",
    domain="AD",
    hostname="dc1",
    hostip=address,
    adminpass="{_ADMINISTRATOR_PASSWORD}",
    dns_backend="NONE",
    serverrole="active directory domain controller",
    lp=loaded,
    skip_sysvolacl=True,
    batch_mode=True,
)
"""


@dataclass(frozen=True)
class DomainController:
    """A controller that runs."""

    address: str
    authority: Path
    _administrator: Any = field(repr=False)

    @property
    def url(self) -> str:
        return f"ldap://{self.address}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{self.address}"

    def settings(self, **changes: Any) -> LdapSettings:
        """Settings as the page on Active Directory has them."""
        values: dict[str, Any] = {
            "name": "ad",
            "active_directory": True,
            "servers": (self.tls_url,),
            "ca_file": str(self.authority),
            "base_dn": BASE,
            # As long as may be: the machine may be busy.
            "connect_timeout": MAX_TIMEOUT,
            "timeout": MAX_TIMEOUT,
            "bind_dn": SERVICE,
            "bind_password": PASSWORD,
            "external_key_attribute": "employeeID",
        }
        return LdapSettings(**values | changes)

    def add_person(self, account: str, *, unit: str = PEOPLE, **values: Any) -> str:
        """Add somebody with ``PASSWORD``, and return their DN."""
        dn = f"CN={ldap3.utils.dn.escape_rdn(values.pop('cn', account))},{unit}"
        person = {
            "sAMAccountName": account,
            "userPrincipalName": f"{account}@{DOMAIN}",
            "userAccountControl": str(_ORDINARY_ACCOUNT),
            "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le"),
        }
        self._do("add", dn, ["user"], person | values)
        return dn

    def add_computer(self, name: str) -> str:
        """Add a computer with ``PASSWORD``, and return its DN."""
        dn = f"CN={name},CN=Computers,{BASE}"
        computer = {
            "sAMAccountName": f"{name}$",
            "userAccountControl": str(_COMPUTER_ACCOUNT),
            "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le"),
        }
        self._do("add", dn, ["computer"], computer)
        return dn

    def add_group(self, name: str, *members: str) -> str:
        """Add a group of these entries, and return its DN."""
        dn = f"CN={ldap3.utils.dn.escape_rdn(name)},{GROUPS}"
        account = f"group-{uuid.uuid4()}"  # may hold less than a DN may
        self._do("add", dn, ["group"], {"sAMAccountName": account, "member": members})
        return dn

    def add_member(self, group: str, member: str) -> None:
        self._do("modify", group, {"member": [(ldap3.MODIFY_ADD, [member])]})

    def put_under_policy(self, dn: str, *, lock_after: int = 0, password_lasts: int = 0) -> None:
        """Lock somebody after so many wrong passwords; let the password last so many seconds."""
        lasts = str(-password_lasts * _SECOND) if password_lasts else _NEVER
        policy = {
            "msDS-PasswordSettingsPrecedence": "1",
            "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
            "msDS-PasswordHistoryLength": "0",
            "msDS-PasswordComplexityEnabled": "FALSE",
            "msDS-MinimumPasswordLength": "1",
            "msDS-MinimumPasswordAge": "0",
            "msDS-MaximumPasswordAge": lasts,
            "msDS-LockoutThreshold": str(lock_after),
            "msDS-LockoutObservationWindow": str(-600 * _SECOND),
            "msDS-LockoutDuration": str(-600 * _SECOND),
            "msDS-PSOAppliesTo": dn,
        }
        self._do("add", f"CN={uuid.uuid4()},{_POLICIES}", ["msDS-PasswordSettings"], policy)

    def change(self, dn: str, **values: Any) -> None:
        """Give an entry these values instead of its own; None takes them away."""
        changes = {
            name: [(ldap3.MODIFY_REPLACE, [] if value is None else [value])]
            for name, value in values.items()
        }
        self._do("modify", dn, changes)

    def remove(self, dn: str) -> None:
        self._do("delete", dn)

    def raw(self, dn: str, attribute: str) -> bytes | None:
        """The first value of an attribute, as an administrator sees it."""
        connection = self._administrator
        connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=[attribute])
        values = connection.response[0]["raw_attributes"][attribute]
        return bytes(values[0]) if values else None

    def object_guid(self, dn: str) -> str:
        return str(uuid.UUID(bytes_le=self.raw(dn, "objectGUID") or b""))

    def bind(self, name: str, password: str, *, tls: bool = True) -> tuple[int, str]:
        """The code and the words that the controller itself answers to a bind."""
        connection = _connection(self.address, name, password, tls=tls)
        try:
            connection.bind()
            return int(connection.result["result"]), str(connection.result["message"])
        finally:
            connection.unbind()

    def bind_without_password(self, name: str) -> int:
        """The code of the answer to a bind with a name and an empty password.

        Written byte by byte (RFC 4511, section 4.2), for ldap3 refuses to send it.
        """
        dn = name.encode()
        bind = _element(0x02, b"\x03") + _element(0x04, dn) + _element(0x80, b"")
        context = ssl.create_default_context(cafile=str(self.authority))
        with (
            socket.create_connection((self.address, 636), 60) as plain,
            context.wrap_socket(plain, server_hostname=self.address) as connection,
        ):
            connection.sendall(_element(0x30, _element(0x02, b"\x01") + _element(0x60, bind)))
            answer = connection.recv(4096)
        found = re.search(rb"\x61.+?\x0a\x01(.)", answer, re.DOTALL)
        assert found, answer
        return found[1][0]

    def referrals(self, account: str) -> list[str]:
        """Where else a search for an account is told to look."""
        connection = self._administrator
        connection.search(BASE, f"(sAMAccountName={account})")
        return [uri for each in connection.response for uri in each.get("uri", ())]

    def add_unit(self, dn: str) -> None:
        self._do("add", dn, ["organizationalUnit"], {})

    def _do(self, what: str, *arguments: Any) -> None:
        done = getattr(self._administrator, what)(*arguments)
        assert done, self._administrator.result


def missing() -> str | None:
    """What this machine lacks for a controller, if anything."""
    if not (_PROGRAM.exists() and _TEMPLATES.exists()):
        return "Samba's domain controller is not installed"
    try:
        _free_address()
    except PermissionError:
        return "listening on port 389 is not allowed"
    return None


@contextmanager
def running_domain_controller(
    folder: Path, authority: Authority | None = None
) -> Iterator[DomainController]:
    """A controller of a new domain that has only its service account.

    Its certificate is the authority's, or one that Samba makes itself, for ``HOST``.
    """
    address = _free_address()
    own = folder / "private" / "tls" / "ca.pem"
    configuration = _configured(folder, address, authority)
    _provision(folder, configuration, address)
    with (folder / "output").open("wb") as output:
        # It ends with the tests, however they end: it watches its standard input.
        process = subprocess.Popen(
            [str(_PROGRAM), "--interactive", "--model=single", f"--configfile={configuration}"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for(process, address, folder)
        with _connection(address, _ADMINISTRATOR, _ADMINISTRATOR_PASSWORD) as administrator:
            trusted = authority.file if authority else own
            controller = DomainController(address, trusted, administrator)
            _fill(controller)
            yield controller
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


def _configured(folder: Path, address: str, authority: Authority | None) -> Path:
    tls = ""
    if authority is not None:
        issued = authority.issue(address, HOST)
        tls = (
            f"tls cafile = {authority.file}\n"
            f"tls certfile = {issued.chain}\n"
            f"tls keyfile = {_private(issued.key)}\n"
        )
    configuration = folder / "etc" / "smb.conf"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(
        _CONFIGURATION.format(
            realm=DOMAIN.upper(), domain=DOMAIN, address=address, folder=folder, tls=tls
        )
    )
    return configuration


def _connection(address: str, name: str, password: str, *, tls: bool = True) -> Any:
    server = ldap3.Server(address, use_ssl=tls, get_info=ldap3.NONE)
    return ldap3.Connection(server, name, password, check_names=False, receive_timeout=60)


def _element(tag: int, content: bytes) -> bytes:
    """A short element of BER."""
    assert len(content) < 0x80
    return bytes((tag, len(content))) + content


def _private(key: Path) -> Path:
    """Samba reads no key that others may read."""
    key.chmod(0o600)
    return key


def _provision(folder: Path, configuration: Path, address: str) -> None:
    """Make the domain, in a few seconds."""
    done = subprocess.run(
        [_PYTHON, "-c", _PROVISION, configuration, folder, address],
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"no domain can be made: {done.stderr[-2000:]}")


def _fill(controller: DomainController) -> None:
    """The two departments of entries, and the service account."""
    controller.change(BASE, pwdProperties="0")  # PASSWORD has no digits and no capitals
    for unit in (PEOPLE, GROUPS):
        controller.add_unit(unit)
    controller.add_person("worksgate", unit=f"CN=Users,{BASE}")


def _free_address() -> str:
    """An address of the loopback where nobody has the ports of a directory.

    Raises PermissionError where they are not for us.
    """
    while True:
        address = f"127.{64 + secrets.randbelow(128)}.{secrets.randbelow(256)}.1"
        try:
            for port in (389, 636, 3268, 3269):
                with socket.socket() as tried:
                    tried.bind((address, port))
        except PermissionError:
            raise
        except OSError:
            continue
        return address


def _wait_for(process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
    end = time.monotonic() + _START_TIME
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection((address, 3269), _START_TIME):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    logs = [each.read_text(errors="replace") for each in folder.glob("log*") if each.is_file()]
    raise RuntimeError(f"samba does not run: {(folder / 'output').read_text()}{logs}")
