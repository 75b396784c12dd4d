"""A company's Active Directory for the entries that need one: it has no people, or it hangs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fake_ldap import Conversation, Scripted, listening

Result = tuple[int, str]
"""A result code of LDAP and what the server says to it."""

_WHERE = "80090308: LdapErr: DSID-0C0903C5, comment: AcceptSecurityContext error"
WRONG_PASSWORD: Result = (49, f"{_WHERE}, data 52e, v4563")
EXPIRED_ACCOUNT: Result = (49, f"{_WHERE}, data 701, v4563")
"""The password is right, but the account has expired."""


@dataclass
class Company:
    """``answer`` is what whoever binds is told; ``binds`` are their names."""

    answer: Result = WRONG_PASSWORD
    hangs: bool = False
    binds: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def configuration(self) -> str:
        """The settings of a server that has no other source of people."""
        return f"""
built_in_directory = false

[[source]]
type = "ldap"
name = "company"
servers = ["{self.url}"]
allow_unencrypted_ldap_on_this_network = true
active_directory = true
base_dn = "dc=example,dc=com"
direct_bind = "{{username}}@example.com"
"""

    def __call__(self, conversation: Conversation) -> None:
        if self.hangs:
            conversation.wait()
        else:
            Scripted(self._bind)(conversation)

    def _bind(self, name: str, _: bytes) -> Result:
        self.binds.append(name)
        return self.answer


@contextmanager
def company() -> Iterator[Company]:
    """The directory, until the end of the block."""
    directory = Company()
    with listening(directory) as listener:
        directory.url = listener.url
        yield directory
