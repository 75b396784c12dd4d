"""The values that the pages of a sign-in show in their templates."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worksgate.web.pages.wording import Notice, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInForm:
    """The sign-in form. Its fields are ``txn``, ``csrf``, ``username`` and ``password``.

    ``prefilled`` is true if the user name came with the link and not from the person, who then gets
    a link to ``clear_url`` to start with an empty field. ``retry_after`` (seconds) belongs to
    ``Problem.THROTTLED``. ``cancel`` adds a button that sends ``cancel=1``. ``buttons`` are pairs
    of name and label of other providers, which send ``source``; ``passkey_options`` (JSON) let a
    passkey replace the password, sent as ``passkey``. ``reset_url`` is for a forgotten password.
    ``for_account`` is true for a sign-in to the person's own account, not to the service.
    """

    action: str
    txn: str
    csrf: str
    username: str = ""
    prefilled: bool = False
    clear_url: str | None = None
    problem: Problem | None = None
    retry_after: int | None = None
    cancel: bool = False
    passwords: bool = True
    buttons: tuple[tuple[str, str], ...] = ()
    passkey_options: str | None = None
    reset_url: str | None = None
    for_account: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """The common part of every form of a sign-in; ``problem`` is why it is shown again.

    ``advice`` replaces the problem's own advice.
    """

    action: str
    txn: str
    csrf: str
    restart_url: str
    problem: Problem | None = None
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorForm(StepForm):
    """The question for a second factor; sends ``otp``, ``recovery`` or ``passkey``.

    ``why`` is a ``FactorPurpose``: it decides the text, and whether the browser can be remembered.
    """

    person: str
    totp: bool
    recovery: bool
    passkey_options: str | None = None
    why: str = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentForm(StepForm):
    """The offer to set up a factor; sends ``otp`` or ``passkey``.

    ``totp_uri`` is the content of the QR code: a link, for an app on the same phone. Without it
    only a passkey is accepted.
    """

    person: str
    totp_uri: str = field(default="", repr=False)
    qr_svg: str = field(default="", repr=False)
    totp_key: str = field(default="", repr=False)
    passkey_options: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesForm(StepForm):
    """The new recovery codes, shown once."""

    codes: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasswordForm(StepForm):
    """The choice of a password; sends ``new_password``. ``reset`` is true after a link.

    ``strength_url`` is the endpoint of the meter; ``person`` is who signs in, as the page shows it.
    """

    username: str
    strength_url: str
    person: str = ""
    step: str = "password"
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChoice:
    """The choice of an account, if the signed-in person isn't the one that LINE WORKS asked for.

    The form sends ``txn``, ``csrf`` and ``choice``, which is ``continue`` or ``other``.
    """

    action: str
    txn: str
    csrf: str
    signed_in_as: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """A page that explains. ``reference`` is what the person can quote to the administrator.

    A URL that is neither http(s) nor a path of this server gets no button.
    """

    notice: Notice
    start_over_url: str | None = None
    continue_url: str | None = None
    reference: str | None = None
