"""Second factors, and the passwords for programs that cannot give one.

This package owns what a TOTP code, a recovery code, a passkey and an app password are, and says
whether one is right. It does not know pages, sessions or logins: who asks must have proved the
password before, must ask for a fresh login before anything is changed (R-83), and must count the
failures (``MAX_FACTOR_FAILURES`` to a login, ``FACTOR_POLICY`` to a person).

    second_factors  ``Factors``: what the pages call
    totp            codes that change every 30 s, and the QR code (R-80)
    on_its_way      a secret between the QR code and the first right code
    recovery        ten codes on paper, each good once (R-81)
    passkeys        WebAuthn (R-82)
    app_passwords   one for each mail program (R-63)
    app_password_lapse  one mail before they lapse
    codes           how generated codes look, and how typed ones are read
    model           whose it is, what goes wrong, and how often it may

What is kept is in ``directory.factors`` and ``directory.app_passwords``, which decide who wins.
The libraries for WebAuthn and QR codes are imported when they are first needed.
"""

from worksgate.directory.app_passwords import AppPassword
from worksgate.directory.factors import Enrolled, Passkey
from worksgate.provider.factors.app_passwords import AppPasswords, NewAppPassword
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
    "NewAppPassword",
    "NewTotp",
    "Passkey",
    "RelyingParty",
    "TooMany",
    "UntrustedAuthenticator",
    "factor_account",
    "new_app_account",
]
