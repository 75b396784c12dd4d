"""The texts of a trace: a sentence and a next step for each way in which a sign-in can end.

The English text is the key of its translation in ``locale``; ``locale/babel.cfg`` says how to
update them. ``%(time)s`` and ``%(until)s`` are times, ``%(client)s``, ``%(source)s``, ``%(name)s``
and ``%(key)s`` are values of the installation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.administration.sign_in_trace.tries import Ending, Passage, Stage, Stop
from worksgate.audit import Event, Reason
from worksgate.oauth.model import UserKey


def text(english: str) -> str:
    """Mark a text for translation (``locale/babel.cfg`` looks for this name)."""
    return english


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said of an end, and what to do next."""

    sentence: str
    action: Action


# The link of LINE WORKS, and the form

_LINK: Mapping[Reason, Saying] = {
    Reason.UNKNOWN_CLIENT: Saying(
        text("At %(time)s LINE WORKS named a client that is unknown or disabled here."),
        Action.COMPARE_CLIENT_ID,
    ),
    Reason.PARAMETER_MISSING: Saying(
        text("At %(time)s LINE WORKS sent no client ID, or no return address."),
        Action.COMPARE_LOGIN_URL,
    ),
    Reason.REDIRECT_NOT_LISTED: Saying(
        text("At %(time)s the return address of LINE WORKS was not on the client's list."),
        Action.ADD_REDIRECT,
    ),
    Reason.REDIRECT_MALFORMED: Saying(
        text("At %(time)s the return address of LINE WORKS was malformed."),
        Action.COMPARE_LOGIN_URL,
    ),
    Reason.NO_STATE: Saying(
        text("At %(time)s the return address of LINE WORKS contained no state."),
        Action.COMPARE_LOGIN_URL,
    ),
    Reason.RESPONSE_TYPE: Saying(
        text("At %(time)s the request was not one for a code (response_type)."),
        Action.CHOOSE_OAUTH,
    ),
    Reason.SENT_TWICE: Saying(
        text("At %(time)s the request contained a parameter twice."), Action.COMPARE_LOGIN_URL
    ),
    Reason.TOO_LONG: Saying(
        text("At %(time)s the request was too long."), Action.COMPARE_LOGIN_URL
    ),
    Reason.FORM_EXPIRED: Saying(
        text("At %(time)s the sign-in page was more than 30 minutes old."), Action.START_AGAIN
    ),
    Reason.FORM_FORGED: Saying(
        text("At %(time)s a form arrived that did not come from a sign-in page of ours."),
        Action.START_AGAIN,
    ),
    Reason.OTHER_BROWSER: Saying(
        text("At %(time)s the sign-in page belonged to another browser or an earlier tab."),
        Action.START_AGAIN,
    ),
    Reason.COOKIES_OFF: Saying(
        text("At %(time)s the browser sent no cookie with the form."), Action.ALLOW_COOKIES
    ),
    Reason.STATE_UNKNOWN: Saying(
        text("At %(time)s the browser came back from the other provider without its cookie."),
        Action.ALLOW_COOKIES,
    ),
    Reason.STATE_USED: Saying(
        text("At %(time)s the browser came back from the other provider a second time."),
        Action.START_AGAIN,
    ),
    Reason.SIGN_IN_LOST: Saying(
        text("At %(time)s nothing was known of this sign-in any more."), Action.START_AGAIN
    ),
}

# What the client requires of a person who is known

_REQUIRED: Mapping[Reason, Saying] = {
    Reason.RULE: Saying(
        text("At %(time)s a rule of the client refused the sign-in."), Action.EXPLAIN_RULES
    ),
    Reason.PASSKEY_REQUIRED: Saying(
        text("At %(time)s a passkey was required, and there is none."), Action.ADD_PASSKEY
    ),
    Reason.NO_USER_KEY: Saying(
        text("At %(time)s the sign-in was right, but there is no %(kind)s to give to LINE WORKS."),
        Action.SET_KEY,
    ),
    Reason.KEY_OF_ANOTHER: Saying(
        text("At %(time)s the sign-in was right, but the %(kind)s belongs to somebody else."),
        Action.RELEASE_KEY,
    ),
    Reason.REVOKED: Saying(
        text("At %(time)s the person was disabled, or given another user key, while signing in."),
        Action.LOOK_UP,
    ),
}

_SESSION_KEY: Mapping[Reason, Saying] = {
    Reason.NOT_CONFIRMED: Saying(
        text("At %(time)s LINE WORKS did not confirm that the request came from its app."),
        Action.CHANGE_SESSION_KEY_CHECK,
    ),
    Reason.NO_ANSWER: Saying(
        text("At %(time)s LINE WORKS did not answer whether the request came from its app."),
        Action.CHANGE_SESSION_KEY_CHECK,
    ),
}

# The password

_PASSWORD: Mapping[Reason, Saying] = {
    Reason.WRONG_PASSWORD: Saying(
        text("At %(time)s the password was wrong."), Action.SEND_RESET_LINK
    ),
    Reason.GUESSES_USED_UP: Saying(
        text("At %(time)s the password was not checked: too many were wrong for this person."),
        Action.WAIT,
    ),
    Reason.NOT_CHECKED: Saying(
        text("At %(time)s the password was not checked: too many others were waiting."),
        Action.TRY_AGAIN,
    ),
    Reason.TEMPORARY_EXPIRED: Saying(
        text("At %(time)s the password was right, but it was temporary and its time is over."),
        Action.SET_PASSWORD,
    ),
    Reason.PASSWORD_EXPIRED: Saying(
        text("At %(time)s the password was right, but it has expired."), Action.CHANGE_AT_SOURCE
    ),
    Reason.DISABLED: Saying(
        text("At %(time)s the password was right, but the person is disabled."), Action.ENABLE
    ),
    Reason.NOT_ALLOWED: Saying(
        text("At %(time)s the password was right, but the source does not admit the person."),
        Action.ADMIT_AT_SOURCE,
    ),
    Reason.REFUSED_UPSTREAM: Saying(
        text("At %(time)s the other provider refused the sign-in."), Action.TEST_SOURCE
    ),
    Reason.SOURCE_NOT_ALLOWED: Saying(
        text("At %(time)s the client did not allow the person's source."), Action.ALLOW_SOURCE
    ),
}

_WAITING: Mapping[Reason, Saying] = {
    Reason.WAITING: Saying(
        text("At %(time)s no password was checked: too many had been wrong."), Action.WAIT
    ),
    Reason.WAITING_NETWORK: Saying(
        text("At %(time)s no password was checked: too many from that network had been wrong."),
        Action.WAIT,
    ),
    Reason.WAITING_STRANGERS: Saying(
        text("At %(time)s no password was checked: too many from unknown places had been wrong."),
        Action.WAIT,
    ),
}

# The second factor

_FACTOR: Mapping[Reason, Saying] = {
    Reason.WRONG_CODE: Saying(
        text("At %(time)s the code of the authenticator app was wrong."), Action.USE_NEXT_CODE
    ),
    Reason.CODE_USED: Saying(
        text("At %(time)s the code of the authenticator app had been used before."),
        Action.USE_NEXT_CODE,
    ),
    Reason.CLOCK_AHEAD: Saying(
        text("At %(time)s the code was right for a later time: the clock of the phone is fast."),
        Action.CORRECT_CLOCK,
    ),
    Reason.CLOCK_BEHIND: Saying(
        text("At %(time)s the code was right for an earlier time: the clock of the phone is slow."),
        Action.CORRECT_CLOCK,
    ),
    Reason.WRONG_RECOVERY_CODE: Saying(
        text("At %(time)s the recovery code was wrong, or had been used."), Action.RESET_FACTORS
    ),
    Reason.PASSKEY_UNKNOWN: Saying(
        text("At %(time)s a passkey was used that is not registered here."), Action.USE_PASSWORD
    ),
    Reason.PASSKEY_FOREIGN: Saying(
        text("At %(time)s a passkey of somebody else was used."), Action.USE_PASSWORD
    ),
    Reason.PASSKEY_COUNTER: Saying(
        text("At %(time)s the counter of the passkey had gone back, as that of a copy would."),
        Action.TREAT_AS_COPIED,
    ),
    Reason.PASSKEY_INVALID: Saying(
        text("At %(time)s the response of the passkey was not valid."), Action.TRY_AGAIN
    ),
    Reason.FACTOR_NOT_ADDED: Saying(
        text("At %(time)s the new passkey could not be added."), Action.TRY_AGAIN
    ),
    Reason.TOO_MANY_TRIES: Saying(
        text("At %(time)s no code was checked: too many had been wrong."), Action.WAIT
    ),
}

_DUE: Mapping[Reason, Saying] = {
    Reason.SECOND_FACTOR_DUE: Saying(
        text("At %(time)s the password was right; the second factor has not been used."),
        Action.FINISH_STEP,
    ),
    Reason.ENROLMENT_DUE: Saying(
        text("At %(time)s the password was right; the second factor has not been set up."),
        Action.FINISH_STEP,
    ),
    Reason.NEW_PASSWORD_DUE: Saying(
        text("At %(time)s the password was right; a new one has not been chosen."),
        Action.FINISH_STEP,
    ),
}

# Outages

_INTERRUPTED: Mapping[Reason, Saying] = {
    Reason.SOURCE_UNAVAILABLE: Saying(
        text("At %(time)s the source of the person did not respond."), Action.TEST_SOURCE
    ),
    Reason.BUSY: Saying(
        text("At %(time)s too many passwords were waiting to be checked."), Action.TRY_AGAIN
    ),
    Reason.STORE_UNAVAILABLE: Saying(
        text("At %(time)s the store did not respond."), Action.RUN_DOCTOR
    ),
    Reason.DATABASE_UNAVAILABLE: Saying(
        text("At %(time)s the database did not respond."), Action.RUN_DOCTOR
    ),
    Reason.TOO_SLOW: Saying(text("At %(time)s the response took too long."), Action.RUN_DOCTOR),
}

OUTAGE = text("From %(since)s to %(until)s the source %(source)s did not respond.")

# Calls of LINE WORKS

_CALL: Mapping[Reason, Saying] = {
    Reason.CLIENT_DISABLED: Saying(
        text("At %(time)s the call of LINE WORKS was refused: the client is disabled."),
        Action.ENABLE_CLIENT,
    ),
    Reason.ADDRESS_NOT_ALLOWED: Saying(
        text("At %(time)s the call of LINE WORKS came from an address that is not allowed."),
        Action.ALLOW_ADDRESS,
    ),
    Reason.BAD_REQUEST: Saying(
        text("At %(time)s the call of LINE WORKS arrived incomplete."), Action.CHECK_FROM_OUTSIDE
    ),
    Reason.GRANT_TYPE: Saying(
        text("At %(time)s LINE WORKS asked for a type of grant that is not allowed."),
        Action.CHOOSE_OAUTH,
    ),
    Reason.WRONG_SECRET: Saying(
        text("At %(time)s LINE WORKS sent a wrong client ID or secret."), Action.RENEW_SECRET
    ),
    Reason.TOO_MANY_WRONG_SECRETS: Saying(
        text("At %(time)s far too many wrong client secrets had been sent."), Action.RENEW_SECRET
    ),
    Reason.CODE_UNKNOWN: Saying(
        text("At %(time)s LINE WORKS brought a code that is unknown here."), Action.SHARE_STORE
    ),
    Reason.CODE_FOREIGN: Saying(
        text("At %(time)s LINE WORKS brought a code of another client."), Action.COMPARE_CLIENT_ID
    ),
    Reason.CODE_EXPIRED: Saying(
        text("At %(time)s LINE WORKS brought the code too late."), Action.CHECK_FROM_OUTSIDE
    ),
    Reason.CODE_REPLAYED: Saying(
        text("At %(time)s the code was presented a second time."), Action.EXAMINE_REPLAY
    ),
    Reason.TOKEN_UNKNOWN: Saying(
        text("At %(time)s the access token was unknown or revoked."), Action.LOOK_UP
    ),
    Reason.TOKEN_FOREIGN: Saying(
        text("At %(time)s the access token was another client's."), Action.COMPARE_CLIENT_ID
    ),
    Reason.TOKEN_EXPIRED: Saying(
        text("At %(time)s the access token had expired."), Action.TRY_AGAIN
    ),
    Reason.NO_ANSWER: Saying(
        text("At %(time)s the call of LINE WORKS could not be answered in time."),
        Action.RUN_DOCTOR,
    ),
}

# Mail programs; what they share with a sign-in is said in the same words

_MAIL: Mapping[Reason, Saying] = {
    **_PASSWORD,
    **_WAITING,
    **_REQUIRED,
    Reason.WRONG_PASSWORD: Saying(
        text("At %(time)s a mail program sent a wrong password."), Action.CREATE_APP_PASSWORD
    ),
    Reason.OWN_PASSWORD: Saying(
        text("At %(time)s a mail program sent the person's own password, not an app password."),
        Action.CREATE_APP_PASSWORD,
    ),
    Reason.APP_PASSWORD_NEEDED: Saying(
        text("At %(time)s a mail program sent the person's own password, which is not enough."),
        Action.CREATE_APP_PASSWORD,
    ),
    Reason.MUST_CHANGE_PASSWORD: Saying(
        text("At %(time)s a mail program sent a password that must be changed first."),
        Action.SIGN_IN_ONCE,
    ),
    Reason.LAPSED: Saying(
        text("At %(time)s an app password was not accepted: its owner has not signed in lately."),
        Action.SIGN_IN_ONCE,
    ),
    Reason.IMAP_OFF: Saying(
        text("At %(time)s a mail program was refused: the client does not allow them."),
        Action.ENABLE_IMAP,
    ),
    Reason.CLIENT_DISABLED: _CALL[Reason.CLIENT_DISABLED],
    Reason.ADDRESS_NOT_ALLOWED: _CALL[Reason.ADDRESS_NOT_ALLOWED],
    Reason.BAD_REQUEST: _CALL[Reason.BAD_REQUEST],
}

SAYINGS: Mapping[Event, Mapping[Reason, Saying]] = {
    Event.LOGIN_REFUSED: {**_LINK, **_REQUIRED},
    Event.SESSION_KEY_REFUSED: _SESSION_KEY,
    Event.LOGIN_FAILED: _PASSWORD,
    Event.LOGIN_THROTTLED: _WAITING,
    Event.LOGIN_INTERRUPTED: _INTERRUPTED,
    Event.LOGIN_STEP_DUE: _DUE,
    Event.FACTOR_FAILED: _FACTOR,
    Event.CLIENT_REFUSED: _CALL,
    Event.CODE_REFUSED: _CALL,
    Event.CODE_REPLAYED: {Reason.CODE_REPLAYED: _CALL[Reason.CODE_REPLAYED]},
    Event.USER_INFO_REFUSED: _CALL,
    Event.IMAP_FAILED: _MAIL,
    Event.IMAP_REFUSED: _MAIL,
}

ENDINGS: Mapping[Ending, Saying] = {
    Ending.DONE: Saying(
        text("At %(time)s everything was right here: LINE WORKS has fetched the user key."),
        Action.COMPARE_AT_LINE_WORKS,
    ),
    Ending.OWN_ACCOUNT: Saying(
        text("At %(time)s the person signed in to their own account page."), Action.OPEN_LINE_WORKS
    ),
    Ending.MAIL_DONE: Saying(
        text("At %(time)s a mail program signed in."), Action.COMPARE_AT_LINE_WORKS
    ),
    Ending.NO_CALL: Saying(
        text("At %(time)s the code was issued, but LINE WORKS did not come for it."),
        Action.CHECK_FROM_OUTSIDE,
    ),
    Ending.NO_USER_INFO: Saying(
        text("At %(time)s LINE WORKS redeemed the code, but did not ask whose it was."),
        Action.COMPARE_USER_INFO_URL,
    ),
    Ending.IN_PROGRESS: Saying(
        text("The sign-in of %(time)s is still in progress."), Action.TRY_AGAIN
    ),
    Ending.UNKNOWN_NAME: Saying(
        text("At %(time)s a name was typed that nobody has here."), Action.ASK_NAME
    ),
}

UNKNOWN_END = Saying(text("At %(time)s the sign-in ended: %(detail)s"), Action.LOOK_UP)
"""A record of an earlier or a later version, in its own words."""
PROBABLY = text("Probably: %(sentence)s")
"""A sentence about a call that was found by client and time."""

NOTHING = Saying(
    text("Nothing is recorded: LINE WORKS has sent nobody here at that time."), Action.ASK_DOMAIN
)
PAGES_ONLY = Saying(
    text("Nothing is recorded of them, but sign-in pages were opened: perhaps nothing was typed."),
    Action.ASK_NAME,
)
OTHER_NAMES = Saying(
    text("Nothing is recorded of them, but other names failed at that address: %(names)s"),
    Action.ASK_NAME,
)
SIMILAR_NAMES = Saying(
    text("Nothing is recorded of them, but a similar name failed a moment ago: %(names)s"),
    Action.ASK_NAME,
)
GATE_SHUT = text("There was no sign-in lately. One would be stopped now: %(gate)s")
ALL_OPEN = Saying(
    text("There was no sign-in lately, and nothing here would stop one now."), Action.ASK_DOMAIN
)
NOW_RIGHT = text("That has been put right since: a new try should succeed.")
ALSO_SHUT = text("Besides, a new try would be stopped now: %(gate)s")

# Gates

KEY_KINDS: Mapping[UserKey, str] = {
    UserKey.EXTERNAL_KEY: text("External Key"),
    UserKey.WORKS_ACCOUNT: text("LINE WORKS account"),
}

GATES: Mapping[str, str] = {
    "client": text("Client on"),
    "source": text("Source responds"),
    "known": text("Known"),
    "enabled": text("Enabled"),
    "not_waiting": text("Not waiting"),
    "password": text("Password"),
    "factor": text("Second factor"),
    "rules": text("Rules"),
    "user_key": text("User key"),
    "same_key": text("Same key at LINE WORKS"),
    "works_account": text("Account at LINE WORKS"),
}
"""Names of gates (``gates.GateName``)."""

NO_CLIENT = text("no client; name one")
CLIENT_OFF = text("%(client)s is disabled")
CLIENT_WITHOUT_SOURCE = text("%(client)s does not use the source %(source)s")
NOT_ASKED = text("not known")
SOURCE_DOWN = text("%(source)s does not respond")
CANNOT_BE_ASKED = text("knows people only when they sign in")
UNKNOWN_HERE = text("nobody here has this name")
UNKNOWN_SO_FAR = text(
    "nobody known here has this name; people of %(sources)s are known from their first sign-in"
)
KNOWN_SINCE = text("since %(time)s")
DISABLED_HERE = text("disabled here")
DISABLED_BY = text("disabled by %(actor)s, %(time)s")
GONE = text("%(source)s has no such person any more, or has disabled them")
ENABLED_HERE = text("not disabled here")
FREE = text("no delay")
FREE_AT = text("free again by %(time)s")
KEPT_BY_SOURCE = text("kept by the source")
NO_PASSWORD = text("there is none")
PASSWORD_SET = text("set")
TEMPORARY_OVER = text("temporary, and over since %(time)s")
TEMPORARY_UNTIL = text("temporary, until %(time)s")
HAS_PASSKEY = text("has a passkey")
HAS_APP = text("has an authenticator app")
WILL_SET_UP = text("will be set up at the next sign-in")
NEEDS_PASSKEY = text("a passkey is required, and none can be set up")
NOT_NEEDED = text("none is required")
NO_RULE_REFUSES = text("none refuses")
RULE_REFUSES = text("refused by: %(rule)s")
DEPENDS_ON_ADDRESS = text("depends on the address, which is not known")
NO_KEY = text("no %(kind)s")
KEY_ANOTHERS = text("the %(kind)s belongs to somebody else")
KEY_MALFORMED = text("LINE WORKS does not accept the characters of the %(kind)s")
NOT_COMPARED = text("not known: look in the LINE WORKS console")
NOT_SET_UP = text("not known: the Directory API is not set up; look in the LINE WORKS console")
NO_ANSWER_THERE = text("not known: LINE WORKS did not answer")
REFUSED_THERE = text("not known: LINE WORKS refused to say")
NOBODY_THERE = text("LINE WORKS has nobody with this key or account")
NO_KEY_THERE = text("there is none at LINE WORKS")
OTHER_KEY_THERE = text("at LINE WORKS it is %(key)s")
KEY_OF_OTHER_THERE = text("at LINE WORKS it belongs to %(account)s")
IN_USE_THERE = text("in use")
ON_LEAVE_THERE = text("in use; on leave of absence")
PENDING_THERE = text("not registered yet; becomes active when SSO is applied")
AWAITING_THERE = text("waits for approval at LINE WORKS; deleted when SSO is applied")
SUSPENDED_THERE = text("suspended by an administrator of LINE WORKS")
LOCKED_THERE = text("suspended by LINE WORKS after wrong passwords")

# Next steps

ACTIONS: Mapping[Action, str] = {
    Action.ASK_NAME: text("Ask which name they type, and compare it with the one here."),
    Action.ASK_DOMAIN: text(
        "Ask which domain they type at LINE WORKS, and compare the Web Login URL in its console."
    ),
    Action.COMPARE_CLIENT_ID: text("Compare the Client ID in the console of LINE WORKS."),
    Action.COMPARE_LOGIN_URL: text("Compare the Web Login URL in the console of LINE WORKS."),
    Action.ADD_REDIRECT: text("Compare the list of return addresses with LINE WORKS, and add it."),
    Action.CHOOSE_OAUTH: text("In the console of LINE WORKS, choose OAuth as the type of SSO."),
    Action.START_AGAIN: text("Start the sign-in again in LINE WORKS, in one tab."),
    Action.ALLOW_COOKIES: text("Allow cookies for the sign-in page, and start again."),
    Action.CHANGE_SESSION_KEY_CHECK: text(
        "Try again; if it stays, let the client accept a missing answer (fail_open)."
    ),
    Action.SEND_RESET_LINK: text("Let them choose a new password: send a reset link."),
    Action.SET_PASSWORD: text("Give them a new temporary password."),
    Action.ENABLE: text("Enable the person, after asking why they were disabled."),
    Action.ENABLE_AT_SOURCE: text("Enable the person at their source."),
    Action.CHANGE_AT_SOURCE: text("Let them change the password where it is kept, then try again."),
    Action.ADMIT_AT_SOURCE: text("Admit the person at the source, by group or filter."),
    Action.ALLOW_SOURCE: text("Allow the source for this client, or use another way to sign in."),
    Action.TEST_SOURCE: text("Test the source."),
    Action.RUN_DOCTOR: text("Examine this installation with worksgate doctor."),
    Action.TRY_AGAIN: text("Let them try again."),
    Action.WAIT: text(
        "Let them wait, or sign in where they have signed in before, or allow one more attempt; a "
        "mail program may have an old password."
    ),
    Action.FINISH_STEP: text("Let them sign in again and finish the step after the password."),
    Action.USE_NEXT_CODE: text("Let them wait for the next code and type that one."),
    Action.CORRECT_CLOCK: text("Set the clock of the phone to automatic."),
    Action.RESET_FACTORS: text("Be sure who is asking, then remove their second factors."),
    Action.USE_PASSWORD: text("Let them sign in with the password, then add the passkey."),
    Action.TREAT_AS_COPIED: text("Treat the passkey as copied: end everything that they hold."),
    Action.EXPLAIN_RULES: text("See which rule it is, and why."),
    Action.ADD_PASSKEY: text("Allow passkeys, or let them sign in where none is required."),
    Action.SET_KEY: text("Set the user key, here or in the mapping of the source."),
    Action.RELEASE_KEY: text("Find out whose key it is, then release it or set another one."),
    Action.CHECK_FROM_OUTSIDE: text(
        "Check from outside whether LINE WORKS can reach the Access Token Return API in 1 second."
    ),
    Action.COMPARE_USER_INFO_URL: text(
        "Compare the User info return API in the console of LINE WORKS."
    ),
    Action.ENABLE_CLIENT: text("Enable the client."),
    Action.ALLOW_ADDRESS: text(
        "Compare allowed_addresses, and what the proxy sends, with the addresses of LINE WORKS."
    ),
    Action.RENEW_SECRET: text(
        "Renew the client secret, and enter it in the console of LINE WORKS."
    ),
    Action.SHARE_STORE: text("Check that all servers use one store, and that their clocks agree."),
    Action.EXAMINE_REPLAY: text("Find out who presented it: a code may have been intercepted."),
    Action.COMPARE_AT_LINE_WORKS: text(
        "At LINE WORKS, compare the user key and the SSO User Key; is the account suspended?"
    ),
    Action.CREATE_APP_PASSWORD: text("Let them create an app password on their account page."),
    Action.ENABLE_IMAP: text("Allow mail programs for the client, if they are wanted."),
    Action.SIGN_IN_ONCE: text("Let them sign in to LINE WORKS once in a browser."),
    Action.OPEN_LINE_WORKS: text("Let them open LINE WORKS itself."),
    Action.LOOK_UP: text("See the records of the sign-in in the audit log."),
}

# Tries

STAGES: Mapping[Stage, str] = {
    Stage.PAGE: text("Page"),
    Stage.PASSWORD: text("Password"),
    Stage.FACTOR: text("Second step"),
    Stage.CODE: text("Code"),
    Stage.TOKEN: text("Token"),
    Stage.USER_INFO: text("User info"),
}
LINE_WORKS = text("Whether LINE WORKS let them in is never known here.")
PASSAGES: Mapping[Passage, str] = {
    Passage.PASSED: text("passed"),
    Passage.STOPPED: text("stopped here"),
    Passage.NOT_REACHED: text("not reached"),
    Passage.NOT_NEEDED: text("not needed"),
}
NAMED = text("%(name)s: %(note)s")
FAILED_TIMES = text("failed attempts: %(times)s")
PROBABLE = text("probably, by client and time")
MAY_LACK = text("Records of that minute were counted, not kept one by one: some may be missing.")
MAIL_PROGRAM = text("mail program")
TRIAL = text("a trial from the set-up steps, not LINE WORKS")

# Headings, and the text to hand on

NOW_HEADING = text("Now")
TRIES_HEADING = text("The last tries")
NEXT_HEADING = text("Next step")
HAND_ON_HEADING = text("To hand on")
NO_TRIES = text("none")
REFERENCE = text("Reference %(reference)s")
CANNOT_GET_IN = text("%(name)s cannot get in to LINE WORKS.")


def saying_of(stop: Stop) -> Saying:
    """What is said of an end; an unknown one is said in the words of its record."""
    if isinstance(stop, Ending):
        return ENDINGS[stop]
    event, reason = stop
    known = SAYINGS.get(event, {})
    return UNKNOWN_END if reason is None else known.get(reason, UNKNOWN_END)
