"""Password hashes of other software.

Those of ``MADE_ELSEWHERE`` were made by what the name says; the others are made here with
parameters that a test can afford.
"""

import asyncio
import base64
import hashlib
import json
import time
import unicodedata
from collections.abc import AsyncIterator
from contextlib import suppress

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from worksgate.credentials import password_hashing
from worksgate.credentials.imported_hashes import (
    MAX_LENGTH,
    check_importable,
    kind_of,
    libcrypt,
    verify,
)
from worksgate.credentials.imported_hashes.turns import Turns
from worksgate.credentials.password_hashing import HashingBusy, PasswordHashing

PASSWORD = "paper lantern 東京 by the river"

MADE_ELSEWHERE = {
    "Django PBKDF2": (
        "pbkdf2",
        "pbkdf2_sha256$2000$mHTA9vYbQ2$mDFOw425MW2eDuyD6cMU20kU8aaubts9ksmx1MYTwt8=",
    ),
    "Django PBKDF2 SHA-1": ("pbkdf2", "pbkdf2_sha1$2000$mHTA9vYbQ2$Cl3HRrqPkM7bBZma1i1c20GtX3c="),
    "Django argon2": (
        "argon2",
        "argon2$argon2id$v=19$m=64,t=1,p=2$b3h6V1RzWklQY01JOU1UUTlobFZLag"
        "$bVyka/En6G13B2qD/QzrDEc0xLS4LAxtNRbc0/X0d0I",
    ),
    "Django bcrypt of SHA-256": (
        "bcrypt",
        "bcrypt_sha256$$2b$04$SxBllKEqjLc3/q27qM0wueOBNO9v8tTN4i3RWZZ31J8HpfCFB0T4C",
    ),
    "Django bcrypt": (
        "bcrypt",
        "bcrypt$$2b$04$t5tMi2oc2qEn7Bd3cfLnxOYfgIJIxP0M2rXSuB0fh15G0VMNEJDjC",
    ),
    "Django scrypt": (
        "scrypt",
        "scrypt$1024$mHTA9vYbQ2$8$5$JUccQ660AfdDy5WG2S5RYTpqQQoxDTayk+qjNjDmvjRuA9vGboV8SbjWoB2K"
        "llQvRUCrBnTfKeLi4FSfhhjisw==",
    ),
    "passlib scrypt": (
        "scrypt",
        "$scrypt$ln=10,r=8,p=1$EwJAKIWw9j5njJHyHoPQmg$l52X343MznJ/63eBq43PK3k4IPNgCq4n/wI1g6miv2k",
    ),
    "passlib PBKDF2 SHA-1": (
        "pbkdf2",
        "$pbkdf2$1000$pvRei9Gas9Z6z1nr/Z9z7g$4Q9rsbMMAmlkJX2YQG6vtwZb7a4",
    ),
    "passlib PBKDF2 SHA-256": (
        "pbkdf2",
        "$pbkdf2-sha256$1000$lPKes7Z2rrV2DoEQopRSag$9oyF6kRTGT1gRWkiGFPDFnJSyohLZo8zSC2RcSZyAfA",
    ),
    "passlib PBKDF2 SHA-512": (
        "pbkdf2",
        "$pbkdf2-sha512$1000$yDnnfE.pFYJQihHC2BtjLA$xvIWuAHnIQOugl7eRdjSQueQP6PK5a2LwDGLYGJPVVGFB"
        "U.gHfoi93GOjI0OnQCuVMUxMhjR2RvUug6sywvbgw",
    ),
    "OpenLDAP PBKDF2": (
        "pbkdf2",
        "{PBKDF2}1000$yRljLOVcS8nZ29u71xqDcA$T9K84qc.tUg8xObPcS6VEwAaxKU",
    ),
    "OpenLDAP PBKDF2 SHA-512": (
        "pbkdf2",
        "{PBKDF2-SHA512}1000$EgLAmLPWWqvVeo8xRihlzA$Zw9VyCZ/1M5Va.NYa/fEdy0R.q55PiaYpRJOi3seNXyzN"
        "UfQyr7vL3WS.Svt5EqlxIGdjl2wlu2mOYb.IWHwow",
    ),
    "OpenLDAP SSHA": ("salted_sha", "{SSHA}0syqPwv5tQITYhmhTlkQVO8fz3fROgcA"),
    "SSHA256": (
        "salted_sha",
        "{SSHA256}j5UqdS3wpSFwv3lbrditxxDyj5JYS4bI09rm9DsOjV6/F6I0JoTwHg==",
    ),
    "SSHA512 in small letters": (
        "salted_sha",
        "{ssha512}tCW293RATTtH7cuDBlPc5Squ3s+Zf9QjckIfnJCNkxSRXowrHcTkVupEbAz71BAubTUm4hiQPh05Ke/"
        "SPdG593HuHSMkpBQi",
    ),
    "OpenSSL SHA-512-crypt": (
        "sha_crypt",
        "$6$worksgate$qo4bhn1TVxu7jM1ZiR40eyjYsdNKmn7xXbMvPnxvalqAIz3pmM20fbEWJlX9eepGHN6on4mIBgL"
        "VJzKBuM8Pu.",
    ),
    "OpenLDAP crypt SHA-512": (
        "sha_crypt",
        "{CRYPT}$6$rounds=1000$worksgate$jJIcj/m6oe30ZmzN62db23KTPf4jckJTYeJ92okI84RTvaXizlLe0Kgh"
        "ioUVyzlUOVH3OifT5.D0MMgB2XWaj/",
    ),
    "OpenLDAP crypt SHA-256": (
        "sha_crypt",
        "{CRYPT}$5$worksgate$QFyxHeEBVEoVvCWdosz3m62bYjvAi29hGp9hfuVrt34",
    ),
    "crypt(3) bcrypt 2y": (
        "bcrypt",
        "{CRYPT}$2y$04$abcdefghijklmnopqrstuuzGUpBgT73MsgFZRi0p9H2UYpGY/vyKS",
    ),
    # werkzeug 3.1 (generate_password_hash)
    "werkzeug scrypt": (
        "scrypt",
        "scrypt:1024:8:1$Zyhi914wwT3EUKon$cc935d603b8a889fd9498b19771dac529ed078e8022de612edfbad1d7c"
        "bef39fd1c531a9e3f0a36f975dc504a1292fcd127e569f284e1b94f5ca6f9ad677ea6e",
    ),
    "werkzeug PBKDF2 SHA-256": (
        "pbkdf2",
        "pbkdf2:sha256:2000$4CCBF0gz3Av0K0sU$86a75b81766b9d629a50be88355c40987037d08eeb18115f4c93d6f"
        "a2c84ab6e",
    ),
    "werkzeug PBKDF2 SHA-512": (
        "pbkdf2",
        "pbkdf2:sha512:2000$nImkqtlIpdC3XKea$d4b61b20732bf6da65c209828073b85d413b63e7197852990913328"
        "b346c91b5f45657e4a061c170b39911044dc4ca5c31bdeb103012318030553dcb1bf798c3",
    ),
    # passlib 1.7
    "Atlassian": (
        "pbkdf2",
        "{PKCS5S2}qzUGYEzJ2Xvv3Ztzbm2NMbwN9tfxN2svWdvO+a7c7Aj0Yuyq4GlH5aV/FDSg6WPF",
    ),
    "phpass": ("phpass", "$P$6c2fEj0Wd4eQLe9WXwETdkPhrSr/xi/"),
    # mkpasswd of Debian's whois: mkpasswd -m yescrypt
    "yescrypt": (
        "yescrypt",
        "$y$j9T$s1.y3q2wwWcsrXA240sAk1$FjXhX0wEpdth5Z3l5k/E6fSn9GJIH984.ppsfiH28d/",
    ),
    "yescrypt of the lowest cost": (
        "yescrypt",
        "{crypt}$y$j75$Hkn6tuF7QTgJonsm.EhNQ1$VqAeLtS7CQukeHmnKxCj7Dg5VwiUxhxRQxfoHF/DsYA",
    ),
    # htpasswd of Apache 2.4: htpasswd -nbBC 4
    "htpasswd bcrypt, with Spring's mark": (
        "bcrypt",
        "{bcrypt}$2y$04$Mgbf2KK3JETDYfpxCGyzZOdIfQz1Ebt23oSwsrKgd78Eouwdg72tS",
    ),
    # PHP 8.4: password_hash, hash_hmac and hash_pbkdf2, put together as the makers do
    "WordPress 6.8": (
        "bcrypt",
        "$wp$2y$04$91ORHhhAVGuYBfCBMY50EOHqhSEgb3XSxXhSmUd9xKvTClJPsReeu",
    ),
    "Spring PBKDF2 5.8": (
        "pbkdf2",
        "{pbkdf2@SpringSecurity_v5_8}303132333435363738396162636465661dcdbf19dd40416aa296f334125a21a"
        "f329b2427d7a6f28190a43fbe9b0073de",
    ),
    "Spring PBKDF2": (
        "pbkdf2",
        "{pbkdf2}3031323334353637b28a498809c9e43c0524c896dc45b3a430702311d59642be4288b72517cc77a7",
    ),
    "ASP.NET Identity SHA-256": (
        "pbkdf2",
        "AQAAAAEAAAPoAAAAEDAxMjM0NTY3ODlhYmNkZWbuXJhR+w7lNX8dkLQJuMVa0HjaoN33fjXJJoDCpNpZ4g==",
    ),
    "ASP.NET Identity SHA-512": (
        "pbkdf2",
        "AQAAAAIAAAPoAAAAEDAxMjM0NTY3ODlhYmNkZWZu69ks1wBg/Vvj2FyhkYqijR/d3UjHTlcG5hFsWTuruA==",
    ),
    "389 Directory Server": (
        "pbkdf2",
        "{PBKDF2_SHA256}AAAIADAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM"
        "0NTY3ODlhYmNkZWbTGDhrXeyIFK3FATW4134G6IyOR7IppB6JmkaHlDQdaIcpTs+j2/ptv6B0RzkGBrpdyYCj8dlcdt"
        "qwyL7pDtwE+xAoYH0FGXP+Q8yqY2Vmu02fAOy31QbcJdYz6j94ydCRuXBTLRN25ZGR0kuvtwkuaPhI8gQGfPNxlozRf"
        "bp0BetvjyTcFP0q8JVIcTecJQJLOQxoBko3E+ClYkRAdY3UiTtFNqMvyDebeiID7J4HW/Sqn8EJszZOLPg584QE1xcZ"
        "EGUp8396i1FN7Me/FM2CuwZS3BenBQ/tR5Q6V7qxaDtumgvDJ1JHafNzMQY5SY1gYwU8BfmDLGzywkrFxciv",
    ),
    "389 Directory Server from 2.0 on": (
        "pbkdf2",
        "{PBKDF2-SHA256}1000$MDEyMzQ1Njc4OWFiY2RlZg==$7lyYUfsO5TV/HZC0CbjFWtB42qDd9341ySaAwqTaWeI=",
    ),
    "Drupal 7": ("phpass", "$S$6saltsaltLwTuj/8dND.mfdNE6iVCWfEcjrCOWQ8byx74Czi6Q4B"),
    # Node 22: crypto.scryptSync
    "Spring scrypt": (
        "scrypt",
        "{scrypt@SpringSecurity_v5_8}$a0801$MDEyMzQ1Njc4OWFiY2RlZg==$sFyXRRs9oj4XfnLf58izEpjBTcF0Sa2"
        "v+CeJFHDo72k=",
    ),
}


PUBLISHED = {
    "phpass: its own test program": ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    "hashcat: phpBB": ("hashcat", "$H$984478476IagS59wHZvyQMArzfx58u."),
    "hashcat: Drupal 7": ("hashcat", "$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf"),
    "Spring Security: bcrypt": (
        "password",
        "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG",
    ),
    "Spring Security: PBKDF2": (
        "password",
        "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
    ),
    "Spring Security: scrypt": (
        "password",
        "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of"
        "4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
    ),
    "hashcat: 389 Directory Server": (
        "hashcat",
        "{PBKDF2_SHA256}AAAgADkxMjM2NTIzMzgzMjQ3MjI4MDAwNTk5OTAyOTk4NDI2MjkyMzAzNjg0NjQwOTMxNjI3O"
        "TMzNjg0MDI0OTY5NTe5ULagRTYpLaUoeqJMg8x9W/DXu+9VTFaVhaYvebYrY+sOqn1ZMRnws22C1uAkiE2tFM8qN"
        "+xw5xe7OmCPZ203NuruK4oB33QlsKIEz4ppm0TR94JB9PJx7lIQwFHD3FUNUNryj4jk6UYyJ4+V1Z9Ug/Iy/ylQB"
        "Jgfs5ihzgxHYZrfp1wUCXFzlZG9mxmziPm8VFnAhaX4+FBAZvLAx33jpbKOwEg7TmwP2VJ8BNFLQRqwYdlqIjQlA"
        "hncXH+dqIF9VdM4MonAA0hx76bMvFTP7LF5VO1IqVmcuYz7YG9v4KKRjnvoUUqOj6okUBQTay3EzsdFVnUW1FemY"
        "OccJd5q",
    ),
    "ASP.NET Core: SHA-1": (
        "my password",
        "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M",
    ),
    "ASP.NET Core: SHA-256": (
        "my password",
        "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc"
        "3oQZ8efcW+jQ=",
    ),
    "ASP.NET Core: SHA-512": (
        "my password",
        "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtV"
        "i9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
    ),
}
"""What makers print in their documentation and tests, with the password that it is of."""


@pytest.mark.parametrize(("password", "encoded"), PUBLISHED.values(), ids=PUBLISHED)
def test_what_makers_publish_is_checked_as_they_say(password: str, encoded: str) -> None:
    assert verify(check_importable(encoded), password)
    assert not verify(encoded, password + "x")


def keycloak(value: bytes, salt: bytes, algorithm: str, iterations: int, **more: list[str]) -> str:
    """A credential as a realm's export has it."""
    secret = {"value": _b64(value), "salt": _b64(salt), "additionalParameters": {}}
    data = {"hashIterations": iterations, "algorithm": algorithm, "additionalParameters": more}
    return json.dumps(
        {
            "id": "7a1f",
            "type": "password",
            "createdDate": 1_700_000_000_000,
            "secretData": json.dumps(secret),
            "credentialData": json.dumps(data),
        }
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _keycloak_pbkdf2(algorithm: str, digest: str) -> str:
    made = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), b"0123456789abcdef", 1_000, 64)
    return keycloak(made, b"0123456789abcdef", algorithm, 1_000)


def _argon2(kind: Type = Type.ID) -> str:
    return PasswordHasher(1, 64, 1, type=kind).hash(PASSWORD)


def _keycloak_argon2() -> str:
    salt, made = (base64.b64decode(part + "==") for part in _argon2().rsplit("$", 2)[1:])
    more = {"hashLength": ["32"], "memory": ["64"], "type": ["id"], "version": ["1.3"]}
    return keycloak(made, salt, "argon2", 1, **more, parallelism=["1"])


MADE_HERE = {
    "argon2id": ("argon2", _argon2()),
    "argon2i": ("argon2", _argon2(Type.I)),
    "argon2d": ("argon2", _argon2(Type.D)),
    "OpenLDAP argon2": ("argon2", "{ARGON2}" + _argon2()),
    "Spring argon2": ("argon2", "{argon2@SpringSecurity_v5_8}" + _argon2()),
    "Keycloak argon2": ("argon2", _keycloak_argon2()),
    "Keycloak PBKDF2": ("pbkdf2", _keycloak_pbkdf2("pbkdf2", "sha1")),
    "Keycloak PBKDF2 SHA-256": (
        "pbkdf2",
        "{keycloak}" + _keycloak_pbkdf2("pbkdf2-sha256", "sha256"),
    ),
    "Keycloak PBKDF2 SHA-512": ("pbkdf2", _keycloak_pbkdf2("pbkdf2-sha512", "sha512")),
    "bcrypt 2a": (
        "bcrypt",
        bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode(),
    ),
}
ALL = {**MADE_ELSEWHERE, **MADE_HERE}


@pytest.mark.parametrize(("kind", "encoded"), ALL.values(), ids=ALL)
def test_the_right_password_and_no_other_has_the_hash(kind: str, encoded: str) -> None:
    assert kind_of(encoded) == kind
    for kept in (encoded, check_importable(f" {encoded}\n")):
        assert verify(kept, PASSWORD)
        for wrong in (PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), "", "\0", "\udcff"):
            assert not verify(kept, wrong)


def test_an_imported_argon2id_hash_is_distinguished_from_one_of_ours() -> None:
    encoded = _argon2()
    assert check_importable(encoded) == "{ARGON2}" + encoded
    assert check_importable("{ARGON2}" + encoded) == "{ARGON2}" + encoded


def _ssha(password: bytes) -> str:
    return "{SSHA}" + _b64(hashlib.sha1(password + b"salt").digest() + b"salt")


@pytest.mark.parametrize("typed", ["cafe\u0301 au lait", "café au lait", "ﾊﾟｽﾜｰﾄﾞ"])
def test_r73_a_password_counts_as_it_was_typed_and_in_nfkc(typed: str) -> None:
    assert verify(_ssha(typed.encode()), typed)
    assert verify(_ssha(unicodedata.normalize("NFKC", typed).encode()), typed)
    assert not verify(_ssha(typed.encode()), typed.replace("a", "A").replace("ﾜ", "ﾛ"))


def test_bcrypt_reads_72_bytes_as_its_makers_did() -> None:
    """Made by crypt(3) of a password whose 72nd byte is in the middle of a character."""
    made = "$2b$04$abcdefghijklmnopqrstuuNfIYspE4T5PDadOG6MVySB3Lavhz1em"
    assert verify(made, "x" * 71 + "東京")
    assert verify(made, "x" * 71 + "東 and more")
    assert not verify(made, "x" * 71)
    assert not verify(made, "x" * 70 + "東京")


def test_bcrypt_takes_no_part_for_the_whole() -> None:
    made = bcrypt.hashpw(b"lantern", bcrypt.gensalt(4)).decode()
    assert verify(made, "lantern")
    assert not verify(made, "lantern\0river")


SALT, HASH = "c2FsdHNhbHRzYWx0c2FsdA", "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

TOO_COSTLY = {
    "argon2 memory": f"$argon2id$v=19$m=1048576,t=1,p=1${SALT}${HASH}",
    "argon2 passes": f"$argon2id$v=19$m=65536,t=1000,p=1${SALT}${HASH}",
    "argon2 lanes": f"argon2$argon2id$v=19$m=65536,t=1,p=200${SALT}${HASH}",
    "bcrypt cost": "$2b$31$" + "a" * 21 + "u" + "a" * 31,
    "bcrypt cost 14": "{bcrypt}$2a$14$" + "a" * 21 + "u" + "a" * 31,
    "WordPress cost": "$wp$2y$31$" + "a" * 21 + "u" + "a" * 31,
    "yescrypt cost": "$y$jZT$salt$" + "a" * 43,
    "phpass rounds": "$P$Usaltsalt" + "a" * 22,
    "Drupal rounds": "$S$zsaltsalt" + "a" * 43,
    "werkzeug scrypt": "scrypt:536870912:8:1$salt$" + "ab" * 32,
    "werkzeug PBKDF2": "pbkdf2:sha256:900000000$salt$" + "ab" * 32,
    "Spring scrypt": "{scrypt}$1f0801$c2FsdA==$" + HASH,
    "Spring scrypt without end": "{scrypt}$ff0801$c2FsdA==$" + HASH,
    "ASP.NET Identity": _b64(b"\1" + (1).to_bytes(4) + b"\xff" * 4 + (16).to_bytes(4) + b"s" * 48),
    "389 Directory Server": "{PBKDF2_SHA256}" + _b64(b"\xff" * 4 + b"s" * 64 + b"h" * 256),
    "scrypt memory": f"$scrypt$ln=30,r=8,p=1${SALT}${HASH}",
    "scrypt work": f"scrypt$16384$salt$8$1000${HASH}=",
    "PBKDF2 iterations": f"pbkdf2_sha256$900000000$salt${HASH}=",
    "PBKDF2 length": f"$pbkdf2$5000000${SALT}${HASH * 2}",
    "SHA-crypt rounds": "{CRYPT}$6$rounds=999999999$salt$" + "a" * 86,
    "Keycloak": keycloak(b"h" * 64, b"salt", "pbkdf2-sha512", 90_000_000),
    "Keycloak argon2": keycloak(
        b"h" * 32, b"salt", "argon2", 9,
        memory=["9999999"], type=["id"], version=["1.3"], parallelism=["1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("encoded", TOO_COSTLY.values(), ids=TOO_COSTLY)
def test_a_hash_that_would_take_minutes_or_gigabytes_is_refused_and_never_checked(
    encoded: str,
) -> None:
    with pytest.raises(ValueError, match=r"would take too long to check: its .* at most \d+ is"):
        check_importable(encoded)
    began = time.perf_counter()
    assert not verify(encoded, PASSWORD)
    assert time.perf_counter() - began < 0.5
    assert kind_of(encoded) is None


AS_COSTLY_AS_THEY_COME = (
    "pbkdf2_sha256$1500000$salt$" + HASH + "=",
    keycloak(b"h" * 64, b"salt", "pbkdf2", 1_300_000),
    keycloak(b"h" * 64, b"salt", "pbkdf2-sha256", 600_000),
    keycloak(b"h" * 64, b"salt", "pbkdf2-sha512", 210_000),
    f"argon2$argon2id$v=19$m=102400,t=2,p=8${SALT}${HASH}",
    f"$argon2id$v=19$m=262144,t=3,p=4${SALT}${HASH}",
    f"$scrypt$ln=17,r=8,p=1${SALT}${HASH}",
    "scrypt$16384$salt$8$5$" + HASH + "=",
    "$2y$13$" + "a" * 21 + "u" + "a" * 31,
    "$6$rounds=656000$salt$" + "a" * 86,
)


@pytest.mark.parametrize("encoded", AS_COSTLY_AS_THEY_COME)
def test_what_others_have_as_their_default_is_within_the_limits(encoded: str) -> None:
    assert check_importable(encoded).endswith(encoded)


BROKEN = {
    "nothing": "",
    "a word": "paragraph",
    "a word in base64": "cGFzc3dvcmQ=",
    "yescrypt cut short": "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317",
    "yescrypt with more parameters": "$y$jCT.....$salt$" + "a" * 43,
    "WordPress cut short": "$wp$2y$12$abcdefghijklmnopqrstuv",
    "phpass of two rounds": "$P$/saltsalt" + "a" * 22,
    "Drupal cut short": "$S$Dsaltsalt" + "a" * 42,
    "werkzeug of no power of two": "scrypt:1023:8:1$salt$" + "ab" * 32,
    "werkzeug with half a byte": "pbkdf2:sha256:1000$salt$" + "a" * 63,
    "werkzeug PBKDF2 with MD5": "pbkdf2:md5:1000$salt$" + "ab" * 16,
    "Spring PBKDF2 cut short": "{pbkdf2@SpringSecurity_v5_8}" + "ab" * 40,
    "Spring scrypt without r": "{scrypt}$e0001$c2FsdA==$" + HASH,
    "ASP.NET Identity cut short": "AQAAAAEAACcQAAAAEDAxMjM=",
    "ASP.NET Identity of an unknown digest": "AQAAAAkAAAPoAAAAEDAxMjM0NTY3ODlhYmNkZWbuXJhR+w7l",
    "ASP.NET Identity with a salt beyond its end": "AQAAAAEAAAPo//////////////////////////////////",
    "389 Directory Server cut short": "{PBKDF2_SHA256}AAAIADAxMjM0NTY3",
    "Atlassian cut short": "{PKCS5S2}qzUGYEzJ2Xvv3Ztzbm2NMbwN",
    "Apache MD5": "$apr1$/YT0tZkQ$/fl6c0eQrPkEvhVG55WZv/",
    "an NT hash": "8846F7EAEE8FB117AD06BDD830B7586C",
    "an NT hash of FreeRADIUS": "{NT}8846F7EAEE8FB117AD06BDD830B7586C",
    "DES alone": "abJnggxhB/yWI",
    "SHA-1 in hexadecimal": "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
    "Spring without a hash": "{noop}password",
    "bcrypt cut short": "$2b$12$abcdefghijklmnopqrstuv",
    "bcrypt of a salt that cannot be": "$2b$12$" + "a" * 53,
    "bcrypt cost 3": "$2b$03$" + "a" * 21 + "u" + "a" * 31,
    "bcrypt with the sign bug": "$2x$12$" + "a" * 21 + "u" + "a" * 31,
    "argon2 without memory": f"$argon2id$v=19$m=0,t=1,p=1${SALT}${HASH}",
    "argon2 without passes": f"$argon2id$v=19$m=64,t=0,p=1${SALT}${HASH}",
    "argon2 with a hash of a byte": f"$argon2id$v=19$m=64,t=1,p=1${SALT}$YQ",
    "scrypt of no power of two": f"scrypt$16385$salt$8$1${HASH}=",
    "PBKDF2 of nothing": f"pbkdf2_sha256$0$salt${HASH}=",
    "PBKDF2 with a hash of two bytes": "pbkdf2_sha256$1000$salt$YWI=",
    "PBKDF2 of an unknown digest": f"$pbkdf2-md5$1000${SALT}${HASH}",
    "PBKDF2 in other digits": f"pbkdf2_sha256$１０００$salt${HASH}=",
    "SSHA without a salt": "{SSHA}" + _b64(b"h" * 20),
    "SSHA cut short": "{SSHA}" + _b64(b"h" * 10),
    "SSHA in no base64": "{SSHA}=====",
    "SHA-crypt cut short": "$6$salt$" + "a" * 43,
    "SHA-crypt of one round": "$6$rounds=1$salt$" + "a" * 86,
    "SHA": "{SHA}" + _b64(b"h" * 20),
    "MD5": "{SMD5}" + _b64(b"h" * 20),
    "MD5-crypt": "{CRYPT}$1$salt$abcdefghijklmnopqrstuv",
    "DES": "{CRYPT}abJnggxhB/yWI",
    "Django MD5": "md5$salt$0123456789abcdef0123456789abcdef",
    "Django without a password": "!Ka3hHbZ8nX",
    "a password": "{CLEARTEXT}password",
    "JSON": "{}",
    "Keycloak one-time password": '{"type":"otp","secretData":"{}","credentialData":"{}"}',
    "Keycloak in an unknown way": keycloak(b"h" * 32, b"salt", "pbkdf2-md5", 1_000),
    "Keycloak nested without end": '{"a":' + "[" * 900 + "]" * 900 + "}",
    "more than there can be": "{SSHA}" + "a" * MAX_LENGTH,
}  # fmt: skip


@pytest.mark.parametrize("encoded", BROKEN.values(), ids=BROKEN)
def test_what_is_no_hash_or_protects_nobody_is_refused_in_a_sentence(encoded: str) -> None:
    with pytest.raises(ValueError, match=r"^the (password hash|salt) .{15,}") as refusal:
        check_importable(encoded)
    assert encoded[3:] not in str(refusal.value) or len(encoded) < 4
    assert kind_of(encoded) is None
    assert not verify(encoded, PASSWORD)
    assert not verify(encoded, "")


@pytest.mark.parametrize("encoded", [encoded for _, encoded in ALL.values()], ids=ALL)
def test_what_is_misspelt_is_refused_or_read_and_never_crashes(encoded: str) -> None:
    for at in range(0, len(encoded), 3):
        for changed in ("", "$", "0", "９", "\0", "=", "~"):
            for text in (encoded[:at] + changed, encoded[:at] + changed + encoded[at + 1 :]):
                with suppress(ValueError):
                    check_importable(text)


def test_yescrypt_is_refused_where_the_system_does_not_know_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libcrypt, "_function", lambda: None)
    with pytest.raises(ValueError, match=r"libcrypt does not support"):
        check_importable(ALL["yescrypt"][1])


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        (r"MD5 of Apache \(\$apr1\$\)", BROKEN["Apache MD5"]),
        ("MD5-crypt", BROKEN["MD5-crypt"]),
        ("DES-crypt", BROKEN["DES"]),
        ("an NT hash", BROKEN["an NT hash"]),
        ("SHA without a salt", BROKEN["SHA"]),
        ("a password, not a hash", BROKEN["a password"]),
    ],
)
def test_what_protects_nobody_is_refused_by_its_name(name: str, encoded: str) -> None:
    with pytest.raises(ValueError, match=rf"is {name}.* not secure; give this person a new"):
        check_importable(encoded)


# in the pool


@pytest.fixture
async def hashing() -> AsyncIterator[PasswordHashing]:
    hashing = PasswordHashing(threads=1)
    yield hashing
    hashing.close()


@pytest.mark.parametrize(("kind", "encoded"), ALL.values(), ids=ALL)
async def test_r75_a_foreign_hash_is_checked_and_asks_for_one_of_ours(
    hashing: PasswordHashing, kind: str, encoded: str
) -> None:
    kept = check_importable(encoded)
    assert await hashing.verify(PASSWORD, kept), kind
    assert not await hashing.verify(PASSWORD + "x", kept)
    assert hashing.needs_rehash(kept)


async def test_r121_imported_hashes_keep_no_other_password_waiting(
    hashing: PasswordHashing,
) -> None:
    slow = bcrypt.hashpw(b"lantern", bcrypt.gensalt(4)).decode().replace("$04$", "$13$")
    guesses = [asyncio.create_task(hashing.verify("wrong", slow)) for _ in range(4)]
    await asyncio.sleep(0)
    ours = await hashing.hash(PASSWORD)
    assert await hashing.verify(PASSWORD, ours)
    assert not any(guess.done() for guess in guesses[1:])
    for guess in guesses:
        guess.cancel()


async def test_r145_an_imported_hash_without_a_turn_is_refused_unseen(
    hashing: PasswordHashing,
) -> None:
    kept = _ssha(PASSWORD.encode())
    assert await hashing.verify(PASSWORD, kept)
    assert not await hashing.verify(PASSWORD, kept, checks_imported=False)
    ours = await hashing.hash(PASSWORD)
    assert await hashing.verify(PASSWORD, ours, checks_imported=False)


@pytest.mark.hashing
async def test_r145_where_ours_have_no_room_an_imported_hash_is_refused_at_once_too() -> None:
    hashing = PasswordHashing(threads=1, waiting=0)
    slow = bcrypt.hashpw(b"lantern", bcrypt.gensalt(4)).decode().replace("$04$", "$13$")
    before = asyncio.create_task(hashing._imported.run(lambda: time.sleep(0.2)))
    under_way = asyncio.create_task(hashing.hash(PASSWORD))
    await asyncio.sleep(0)
    guess = asyncio.create_task(hashing.verify("wrong", slow))
    for _ in range(5):  # turns of the event loop, in which no hash is checked
        await asyncio.sleep(0)
    assert guess.done()
    with pytest.raises(HashingBusy):
        await guess
    assert hashing._imported.waiting == 0
    await asyncio.gather(before, under_way)
    hashing.close()


@pytest.mark.slow
async def test_r145_a_slow_check_is_reckoned_with() -> None:
    turns = Turns(lambda: 1_000.0)
    hashing = PasswordHashing(threads=1, turns=turns)
    await hashing.verify("wrong", bcrypt.hashpw(b"lantern", bcrypt.gensalt(13)).decode())
    assert sum(turns.take() is not None for _ in range(4)) < 4
    hashing.close()


async def test_r76_too_long_a_password_never_reaches_a_foreign_hash(
    hashing: PasswordHashing,
) -> None:
    password = "x" * 4_097
    made = _ssha(password.encode())
    assert verify(made, password), "it would fit"
    assert not await hashing.verify(password, made)


@pytest.fixture
def unyielding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for others no longer than this one: two of them would wait twice."""
    monkeypatch.setattr(password_hashing, "_yield_to_others", lambda: None)


@pytest.mark.slow
@pytest.mark.hashing
async def test_r77_a_cheap_foreign_hash_takes_as_long_as_an_unknown_name(
    unyielding: None,  # before the threads begin
    hashing: PasswordHashing,
) -> None:
    cheap = MADE_ELSEWHERE["OpenLDAP SSHA"][1]
    times: dict[str | None, list[float]] = {cheap: [], None: []}
    for number in range(60):
        for encoded, taken in times.items():
            began = time.perf_counter()
            assert not await hashing.verify("wrong horse battery", encoded)
            taken.append(time.perf_counter() - began)
        known, unknown = (min(taken) for taken in times.values())
        # The fastest is delayed least by a busy machine, which may take some more tries.
        if number >= 11 and unknown / 2 < known < unknown * 2:
            break
    assert unknown / 2 < known < unknown * 2
