"""Whether the settings fit their environment."""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from worksgate.doctor import Finding, ok, warn
from worksgate.doctor.sentences import said
from worksgate.settings.loading import PREFIX
from worksgate.settings.options import Settings
from worksgate.settings.sources import SOURCE_TYPES, SourceSettings

PART = said("settings")

_RECORDS: tuple[type[Settings] | type[SourceSettings], ...] = (Settings, *SOURCE_TYPES.values())
_SECRETS = {each.name for record in _RECORDS for each in fields(record) if not each.repr}
_TOO_OPEN = 0o027
"""Permissions that a master key must not have; a group may read it, for containers."""
_PASSWORD_IN_ADDRESS = re.compile(r"//[^/?#]*:[^/?#]*@")


def examine_settings(settings: Settings, file: Path | None) -> Iterator[Finding]:
    """The settings, which are known to be valid; ``file`` is their file, if any."""
    if file is None:
        yield ok(PART, said("they are valid; there is no settings file"))
    else:
        yield ok(PART, said("they are valid (%(file)s)", file=file))
    table = {} if file is None else tomllib.loads(file.read_text("utf-8"))
    if file is not None:
        yield from _examine_file(file, table)
    yield from _examine_secret_files(table, os.environ)
    yield from _examine_key_files(settings)
    yield from _examine_addresses(settings)
    yield from _examine_app_passwords(settings)


def _examine_file(file: Path, table: Mapping[str, Any]) -> Iterator[Finding]:
    """A secret in a world-readable file is not secret."""
    if _has_secret(table) and _is_open(file):
        yield warn(
            PART,
            said("%(file)s holds a secret, and every user of this machine can read it", file=file),
            said("chmod 640 %(file)s, or put the secret into a file of its own", file=file),
        )


def _examine_secret_files(
    table: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[Finding]:
    """The files of secrets, named in the settings file or by variables."""
    named = {
        f"{key} of the source {source.get('name', source.get('type'))}": value
        for source in table.get("source", ())
        for key, value in source.items()
        if key.removesuffix("_file") in _SECRETS and key.endswith("_file")
    }
    named |= {name: value for name, value in environ.items() if _names_secret_file(name)}
    for name, file in sorted(named.items()):
        if _is_open(Path(file)):
            yield warn(
                PART,
                said(
                    "every user of this machine can read %(file)s, the secret of %(name)s",
                    file=file,
                    name=name,
                ),
                said(
                    "chmod 640 %(file)s, with the group of the server's user; in a container, "
                    "mount it with the mode 0400",
                    file=file,
                ),
            )


def _examine_key_files(settings: Settings) -> Iterator[Finding]:
    """A master key that others can read, or replace, protects nothing."""
    for name in (settings.master_key_file, settings.previous_master_key_file):
        file = Path(name)
        if not name or not file.exists():  # a key given by a variable overrides its file
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & _TOO_OPEN:
            yield warn(
                PART,
                said(
                    "%(file)s contains a master key, and has the mode %(mode)s",
                    file=file,
                    mode=f"{mode:04o}",
                ),
                said(
                    "chmod 600 %(file)s, owned by the server's user; in a container, mount it with "
                    "the mode 0440",
                    file=file,
                ),
            )


def _examine_app_passwords(settings: Settings) -> Iterator[Finding]:
    """Without a limit, app passwords of people who left keep working if their source cannot be
    asked.
    """
    from worksgate.bootstrap.source_types import type_of

    without_lookup = [
        each.name for each in settings.all_sources if not type_of(each).can_look_up_people(each)
    ]
    if settings.app_password_lapse == 0 and without_lookup:
        yield warn(
            PART,
            said(
                "app_password_lapse is 0: app passwords of people of %(sources)s never expire, "
                "even after they have left the company",
                sources=", ".join(without_lookup),
            ),
            said("set app_password_lapse = 2592000, which is 30 days after their last sign-in"),
        )


def _names_secret_file(variable: str) -> bool:
    """``WORKSGATE_SMTP_URL_FILE``, or ``WORKSGATE_SOURCE_<NAME>_BIND_PASSWORD_FILE``."""
    if not (variable.startswith(PREFIX) and variable.endswith("_FILE")):
        return False
    name = variable.removeprefix(PREFIX).removesuffix("_FILE").lower()
    return any(name == each or name.endswith(f"_{each}") for each in _SECRETS)


def _has_secret(table: Mapping[str, Any]) -> bool:
    return any(
        _is_secret(name, value)
        for each in (table, *table.get("source", ()))
        for name, value in each.items()
    )


def _is_secret(name: str, value: object) -> bool:
    """Whether a value must be hidden, such as an address with a password."""
    if name not in _SECRETS or not value:
        return False
    return not name.endswith("_url") or _PASSWORD_IN_ADDRESS.search(str(value)) is not None


def _is_open(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IROTH)


def _examine_addresses(settings: Settings) -> Iterator[Finding]:
    if not settings.is_https:
        yield warn(
            PART,
            said("public_url is %(url)s: only this machine can use it", url=settings.public_url),
            said("this is fine for a trial; for production, give public_url an https:// address"),
        )
        return
    yield ok(PART, said("the public address is %(url)s", url=settings.public_url))
    if not settings.trusted_proxies:
        yield warn(
            PART,
            said(
                "trusted_proxies is empty: behind a reverse proxy, everybody would appear to have "
                "its address"
            ),
            said("add the proxy to trusted_proxies; without a proxy, serve with --tls-cert"),
        )
    wide = [each for each in settings.trusted_proxies if _is_wide(each)]
    if wide:
        yield warn(
            PART,
            said(
                "trusted_proxies includes %(networks)s: anyone in there can forge any address",
                networks=", ".join(wide),
            ),
            said("list the addresses of the proxies only"),
        )


def _is_wide(network: str) -> bool:
    """Whether more addresses are trusted than a company has proxies or containers."""
    parsed = ip_network(network)
    return parsed.is_global and parsed.prefixlen < parsed.max_prefixlen - 8
