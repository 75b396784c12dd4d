"""The signed statement with which an app gets an access token.

https://developers.worksmobile.com/en/docs/auth-jwt
https://www.rfc-editor.org/rfc/rfc7523
"""

from worksgate.line_works_api.app import ApiApp
from worksgate.settings.assumptions import Assumptions


def assertion(app: ApiApp, now: float, assumed: Assumptions) -> str:
    """A statement that this app wants a token; ``now`` is in seconds since the epoch."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    issued_at = int(now) - assumed.assertion_backdated
    claims = {
        "iss": app.client_id,
        "sub": app.service_account,
        "iat": issued_at,
        "exp": issued_at + assumed.assertion_lifetime,
    }
    key = RSAKey.import_key(app.private_key)
    return jwt.encode({"alg": "RS256", "typ": "JWT"}, claims, key, algorithms=["RS256"])
