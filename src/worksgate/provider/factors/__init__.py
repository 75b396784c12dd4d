"""Second factors, and the passwords for programs that cannot give one.

This package defines and verifies TOTP codes, recovery codes, passkeys and app passwords. It does
not know pages, sessions or sign-ins: the caller must have checked the password before, must require
a fresh sign-in before anything is changed (R-83), and must count failures (``MAX_FACTOR_FAILURES``
per sign-in, ``FACTOR_POLICY`` per person).

    second_factors  ``Factors``: the interface for the pages
    totp            codes that change every 30 s, and the QR code (R-80)
    pending_secrets a secret between the QR code and the first right code
    recovery        ten codes on paper, each valid once (R-81)
    passkeys        WebAuthn (R-82)
    app_passwords   one for each mail program (R-63)
    app_password_lapse  an e-mail before they lapse
    codes           format of generated codes, and parsing of typed ones
    model           the owner of factors, errors, and limits of failures

They are stored in ``directory.factors`` and ``directory.app_passwords``, which decide races. The
libraries for WebAuthn and QR codes are imported when they are first needed.
"""

from worksgate.directory.app_passwords import AppPassword
from worksgate.directory.factors import Enrolled, Passkey
from worksgate.provider.factors.app_passwords import AppPasswords, NewAppPassword
from worksgate.provider.factors.codes import NameRefused
from worksgate.provider.factors.model import (
    FACTOR_POLICY,
    MAX_FACTOR_FAILURES,
    FactorRefused,
    Holder,
    KnownPasskey,
    TooMany,
    UntrustedAuthenticator,
    factor_account,
    new_app_account,
)
from worksgate.provider.factors.passkeys import RelyingParty
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.factors.totp import NewTotp

__all__ = [
    "FACTOR_POLICY",
    "MAX_FACTOR_FAILURES",
    "AppPassword",
    "AppPasswords",
    "Enrolled",
    "FactorRefused",
    "Factors",
    "Holder",
    "KnownPasskey",
    "NameRefused",
    "NewAppPassword",
    "NewTotp",
    "Passkey",
    "RelyingParty",
    "TooMany",
    "UntrustedAuthenticator",
    "factor_account",
    "new_app_account",
]
