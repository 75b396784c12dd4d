"""What an installation serves once it is open, and how it is opened."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from worksgate.observability.figures import Figures
from worksgate.provider.account.disavowal import Disavowal
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.password_strength import PasswordMeter
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.calls.imap_login import ImapLogin
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.web.operations.readiness import Check
from worksgate.web.sign_in.logos import ReadLogo


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Sign-ins, the calls of LINE WORKS, and people's own accounts.

    ``form_key`` signs the forms of the account pages. Without a built-in directory there are no
    passwords to reset. ``read_logo`` reads those of clients. ``checks`` are the parts that must
    respond for readiness; without those of ``impairing_checks`` some people are not served;
    ``figures`` are the metrics of what is open.
    """

    provider: IdentityProvider
    calls: LineWorksCalls
    mail_clients: ImapLogin
    self_service: SelfService
    password_reset: PasswordReset | None
    disavowal: Disavowal
    password_meter: PasswordMeter | None = None
    read_logo: ReadLogo | None = None
    form_key: bytes = field(repr=False)
    clock: Callable[[], float] = time.time
    checks: Mapping[str, Check] = field(default_factory=dict)
    impairing_checks: Mapping[str, Check] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)


OpenInstallation = Callable[[], AbstractAsyncContextManager[Installation]]
"""Opens the stores and everything based on them; closed at the end of the block."""
