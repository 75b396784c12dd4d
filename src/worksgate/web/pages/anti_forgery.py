"""Anti-forgery tokens of forms that belong to no login transaction (R-21)."""

import hmac

from worksgate.provider.sign_in.transaction import signer


class AntiForgery:
    """Creates tokens that are valid in one browser, or in one session: with its secret."""

    def __init__(self, key: bytes) -> None:
        self._signer = signer(key, "anti-forgery token of an account")

    def token(self, secret: str) -> str:
        """The text for the form field ``csrf``."""
        return self._signer.get_signature(secret.encode()).decode()

    def is_right(self, token: str, secret: str) -> bool:
        """Whether a posted token was created for this secret."""
        expected = self.token(secret).encode()
        return hmac.compare_digest(expected, token.encode("utf-8", "surrogatepass"))
