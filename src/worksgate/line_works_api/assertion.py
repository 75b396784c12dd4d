"""The signed statement with which an app gets an access token.

https://developers.worksmobile.com/en/docs/auth-jwt
https://www.rfc-editor.org/rfc/rfc7523
"""

from typing import Final

from worksgate.line_works_api.app import ApiApp

BACKDATED: Final = 30
"""Seconds by which an assertion is issued in the past: their clock may be behind ours."""
LIFETIME: Final = 3_600
"""Seconds. At most an hour is allowed; some report that only an hour exactly is."""


def assertion(app: ApiApp, now: float) -> str:
    """A statement that this app wants a token; ``now`` is in seconds since the epoch."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    issued_at = int(now) - BACKDATED
    claims = {
        "iss": app.client_id,
        "sub": app.service_account,
        "iat": issued_at,
        "exp": issued_at + LIFETIME,
    }
    key = RSAKey.import_key(app.private_key)
    return jwt.encode({"alg": "RS256", "typ": "JWT"}, claims, key, algorithms=["RS256"])
