"""A real OpenLDAP server, started by the tests, with people of an example company.

Everybody's password is ``PASSWORD``. The attributes of Active Directory are there too, as far as
another server can have them.
"""

import datetime
import ipaddress
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.machine import require
from tests.ports import free_port

from worksgate.settings.sources.ldap import MAX_TIMEOUT, LdapSettings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pyasn1 has renamed what ldap3 imports
    import ldap3  # type: ignore[import-untyped]  # ldap3 has no types

__all__ = ["Authority", "Slapd", "ldap3", "running_slapd"]

BASE = "dc=example,dc=jp"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
SERVICE = f"cn=worksgate,{BASE}"
SERVICE_PASSWORD = "service password 1"
PASSWORD = "正しい馬 battery"
_ROOT = f"cn=root,{BASE}"
_ROOT_PASSWORD = "root password"
_START_TIME = 60.0

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy

attributetype ( 1.3.6.1.4.1.55555.1 NAME 'userAccountControl'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.2 NAME 'accountExpires'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.3 NAME 'lockoutTime'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.4 NAME 'pwdLastSet'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.5 NAME 'msDS-User-Account-Control-Computed'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.6 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.7 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.8 NAME 'nsAccountLock'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.55555.9 NAME 'otherAttributes' AUXILIARY
  MAY ( userAccountControl $ accountExpires $ lockoutTime $ pwdLastSet $ sAMAccountName $
        objectGUID $ msDS-User-Account-Control-Computed $ nsAccountLock ) )

TLSCACertificateFile {authority}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
TLSVerifyClient never

database mdb
suffix {base}
rootdn {root}
rootpw "{root_password}"
directory {data}
maxsize 16777216
overlay memberof
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth by * none
"""


@dataclass(frozen=True)
class Certificate:
    chain: Path
    key: Path


class Authority:
    """A certificate authority that only the tests know."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Worksgate tests")
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        made = (
            self._begun(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str) -> Certificate:
        """A certificate for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            self._begun(_named(names[0]), key)
            .add_extension(x509.SubjectAlternativeName([*map(_general, names)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        issued = Certificate(self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key")
        issued.chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return issued

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )


@dataclass(frozen=True)
class Slapd:
    """A server that runs."""

    url: str
    tls_url: str
    authority: Path
    folder: Path
    running: list[subprocess.Popen[bytes]]

    def start(self) -> None:
        command = [str(self.folder / "slapd"), "-d", "0", "-f", str(self.folder / "slapd.conf")]
        log_file = self.folder / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [*command, "-h", f"{self.url}/ {self.tls_url}/"], stdout=log, stderr=log
            )
        self.running.append(process)
        _wait_for(process, int(self.tls_url.rpartition(":")[2]), log_file)

    def stop(self) -> None:
        while self.running:
            process = self.running.pop()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def restart(self) -> None:
        """End all connections; what is stored stays."""
        self.stop()
        self.start()

    def settings(self, **changes: Any) -> LdapSettings:
        """Settings that work with it, over TLS."""
        values: dict[str, Any] = {
            "name": "company",
            "servers": (self.tls_url,),
            "ca_file": str(self.authority),
            "base_dn": BASE,
            # As long as may be: the machine may be busy.
            "connect_timeout": MAX_TIMEOUT,
            "timeout": MAX_TIMEOUT,
            "bind_dn": SERVICE,
            "bind_password": SERVICE_PASSWORD,
            "external_key_attribute": "employeeNumber",
            "works_account_attribute": "mail",
        }
        return LdapSettings(**values | changes)

    def add(self, dn: str, classes: Sequence[str], **values: Any) -> str:
        """Add an entry, and return its DN."""
        self._do("add", dn, list(classes), values)
        return dn

    def add_person(self, uid: str, **values: Any) -> str:
        """Add somebody, with ``PASSWORD`` if nothing else is said, and return their DN."""
        person = {"uid": uid, "cn": uid, "sn": uid, "userPassword": PASSWORD} | values
        classes = ("inetOrgPerson", "otherAttributes")
        return self.add(f"uid={uid},{PEOPLE}", classes, **person)

    def add_group(self, name: str, *members: str) -> str:
        """Add a group of these entries, and return its DN."""
        return self.add(f"cn={name},{GROUPS}", ("groupOfNames",), member=members)

    def change(self, dn: str, **values: Any) -> None:
        """Give an entry these values instead of its own; None takes them away."""
        changes = {
            name: [(ldap3.MODIFY_REPLACE, [] if value is None else [value])]
            for name, value in values.items()
        }
        self._do("modify", dn, changes)

    def remove(self, dn: str) -> None:
        self._do("delete", dn)

    def entry_uuid(self, dn: str) -> str:
        with self._as_root() as root:
            root.search(dn, "(objectClass=*)", ldap3.BASE, attributes=["entryUUID"])
            return str(root.response[0]["raw_attributes"]["entryUUID"][0].decode())

    def _do(self, what: str, *arguments: Any) -> None:
        with self._as_root() as root:
            assert getattr(root, what)(*arguments), root.result

    @contextmanager
    def _as_root(self) -> Iterator[Any]:
        root = ldap3.Connection(
            ldap3.Server(self.url, get_info=ldap3.NONE),
            _ROOT,
            _ROOT_PASSWORD,
            auto_bind=True,
            check_names=False,
        )
        try:
            yield root
        finally:
            root.unbind()


@contextmanager
def running_slapd(
    folder: Path, authority: Authority, certificate: Certificate | None = None
) -> Iterator[Slapd]:
    """A server in a new folder, with a company that has nobody yet."""
    data = folder / "data"
    data.mkdir(parents=True)
    used = certificate or authority.issue("127.0.0.1", "localhost")
    configuration = folder / "slapd.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            authority=authority.file,
            certificate=used.chain,
            key=used.key,
            base=BASE,
            root=_ROOT,
            root_password=_ROOT_PASSWORD,
            data=data,
        )
    )
    # Ubuntu's AppArmor lets the program at its own place read nothing in a temporary folder.
    shutil.copy(require("slapd"), folder / "slapd")
    port, tls_port = free_port(), free_port()
    url, tls_url = f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{tls_port}"
    server = Slapd(url, tls_url, authority.file, folder, [])
    try:
        server.start()
        _fill(server)
        yield server
    finally:
        server.stop()


def _fill(server: Slapd) -> None:
    """The company itself, its two departments of entries, and the service account."""
    server.add(BASE, ("dcObject", "organization"), dc="example", o="株式会社例")
    server.add(PEOPLE, ("organizationalUnit",), ou="people")
    server.add(GROUPS, ("organizationalUnit",), ou="groups")
    role: Mapping[str, str] = {"cn": "worksgate", "userPassword": SERVICE_PASSWORD}
    server.add(SERVICE, ("organizationalRole", "simpleSecurityObject"), **role)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_TIME
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), _START_TIME):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"slapd does not run: {log.read_text()}")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
