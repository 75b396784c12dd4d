"""A password credential of a Keycloak export: PBKDF2 or argon2, as JSON."""

import json
from base64 import b64encode
from typing import Any

from worksgate.credentials.imported_hashes.kinds import Argon2, Hash, Pbkdf2, decoded

DIGESTS = {"": "sha1", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}
"""Digests by the suffix of their PBKDF2 names."""


def read_keycloak(text: str) -> Hash | None:
    """Parse a credential of type password, whose two parts are JSON texts themselves.

    None if it is not JSON. Raises ValueError.
    """
    if not text.startswith("{") or not text.endswith("}") or '"' not in text:
        return None
    try:
        credential = json.loads(text)
        secret, data = (_part(credential, name) for name in ("secretData", "credentialData"))
        return _hash(secret, data)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, ValueError):
        raise ValueError(
            "the password hash is not a password credential of a Keycloak export"
        ) from None


def _part(credential: dict[str, Any], name: str) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(credential[name])
    return part


def _hash(secret: dict[str, Any], data: dict[str, Any]) -> Hash:
    salt, made = decoded(secret["salt"]), decoded(secret["value"])
    algorithm, rounds = data["algorithm"], int(data["hashIterations"])
    if algorithm == "argon2":
        more = {name: values[0] for name, values in data["additionalParameters"].items()}
        version = {"1.0": 16, "1.3": 19}[more["version"]]
        memory, lanes = int(more["memory"]), int(more["parallelism"])
        encoded = (
            f"$argon2{more['type']}$v={version}$m={memory},t={rounds},p={lanes}"
            f"${_encoded(salt)}${_encoded(made)}"
        )
        return Argon2(encoded, memory, rounds, lanes)
    return Pbkdf2(DIGESTS[algorithm.removeprefix("pbkdf2").lstrip("-")], rounds, salt, made)


def _encoded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
