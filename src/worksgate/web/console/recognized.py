"""Sentences that other rooms say in plain English, recognized by their templates.

Refusals, rows of a job and records of the audit log are text, also in the database, where they
stay as they were written. The console says those that it knows in the language of the page;
others are shown as they are, marked as English. A test finds refusals that are not known.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from worksgate.web.pages.wording import text

TEMPLATES: Final = (
    text("there is no client %(name)s"),
    text("there is no client %(name)s; a removed one is found by its ID"),
    text("there is no person %(name)s"),
    text("there is no person %(name)s; people of other sources are known from their first sign-in"),
    text(
        "there is no person %(name)s in the source %(source)s; people of other sources "
        "are known from their first sign-in"
    ),
    text(
        "there is no person %(name)s in the built-in directory; somebody of this name has "
        "come by the source %(source)s (--source %(first)s, where the command has it)"
    ),
    text("there is no removed person %(name)s"),
    text("%(name)s was removed: bring them back first, with worksgate user restore"),
    text(
        "%(name)s was removed: restore them, or remove them for good (worksgate user restore, or "
        "worksgate user remove --now)"
    ),
    text("there is no change %(name)s"),
    text("session %(session)s"),
    text("from a new place"),
    text("code"),
    text("passkey"),
    text("recovery code"),
    text("one-time link"),
    text("%(role)s by the group %(group)s of %(source)s"),
    text("your role cannot send a test alert"),
    text("your role sees networks, and cannot ask for an address"),
    text("no alerts are set up: alert_mail, alert_webhook or alert_bot"),
    text("there is no such invitation any more"),
    text("there is no such deployer token any more"),
    text("there is a deployer token %(name)s already"),
    text("a token needs a name, which its changes are recorded under"),
    text("a token is valid for up to ten years"),
    text("your role cannot make or end the tokens of deployers"),
    text("a deployer is a token, and not a person"),
    text("an invitation needs the name of a person"),
    text("your role cannot invite administrators"),
    text("your role cannot end the sessions of others"),
    text("there is no such job, or it is more than 30 days old"),
    text("there is no such source in the settings"),
    text("there is no source %(name)s any more"),
    text("there are no members of LINE WORKS here"),
    text("there is no client yet"),
    text("there is no client that is enabled; add one first"),
    text("there is a client already: %(name)s"),
    text("there are several clients; name one of %(names)s"),
    text("several people have this name; give one of %(names)s"),
    text("no departure of %(name)s is planned"),
    text("%(client)s has never shown a version %(number)s"),
    text("this person is changed in their source"),
    text("this person was removed"),
    text("%(name)s is an administrator, whom the role %(role)s cannot change"),
    text("%(name)s is an administrator of the console, whom an import does not change"),
    text("nobody can change their own role; ask another owner"),
    text("nobody drops their own departure"),
    text("your role sends a link only to the person's own mail address"),
    text("your role cannot do this to many people"),
    text("your role can only do this to people who are ticked"),
    text("the role %(role)s cannot do this to many people"),
    text(
        "%(name)s is the last owner: give somebody else the role first (worksgate admin set-role)"
    ),
    text("%(name)s has no password, and could not sign in"),
    text("with store_url = memory: the server would not know of it"),
    text("with store_url = memory: the server would not know the link"),
    text("%(name)s does not have to wait where they tried last"),
    text("there is no draft to publish"),
    text("version %(number)s is what is shown"),
    text("there is no such role"),
    text("there is no such language"),
    text("this change cannot be undone"),
    text("nothing like that is left of a departure of %(name)s"),
    text("this departure is not due yet"),
    text("%(name)s is enabled here: disable them first"),
    text("there is no such step"),
    text("this time is in the past; without a time, they leave now"),
    text("this is not a time such as 07:30"),
    text("this link has been used, or is too old"),
    text(
        "the app of %(client)s lacks the scope %(scope)s: tick it in the Developer "
        "Console, then set the app with it again"
    ),
    text("no client has an app of the LINE WORKS API: worksgate line-works-api set"),
    text("the Directory API is not set up"),
    text("%(name)s has it; give it up there first, with worksgate user set"),
    text("a reason is a text of at most %(most)s characters"),
    text("nobody was chosen"),
    text("no file was chosen"),
    text("there is no such change"),
    text("there is no such finding"),
    text("more than %(most)s people match; choose fewer"),
    text("more than %(most)s people are ticked"),
    text("%(number)s jobs are running or waiting; try again later"),
    text("the live view begins within the last 24 hours"),
    text("the live view has not begun"),
    text("there is no such product, plan or language"),
    text("there is no such kind of user key"),
    text("this field is not asked about"),
    text("a name, mail address, key, reference, address or time is needed"),
    text("a client has no settings %(name)s"),
    text("this must be asked in the process of the server"),
    text("%(name)s has been changed by somebody else meanwhile"),
    text("somebody else has changed how the pages of %(client)s look"),
    text("others match by now"),
    text("the secret has been renewed meanwhile"),
    text(
        "the change was made, but the sessions of %(name)s could not be ended; run the "
        "same command again to end them: %(problem)s"
    ),
    text("whoever starts a change of many people is left out"),
    text("only people of the built-in directory can have this"),
    text("somebody has changed this person since"),
    text("this person has left since"),
    text("e-mail is not set up"),
    text("there is no mail address"),
    text("the mail address is not valid"),
    text("an error of Worksgate: %(kind)s"),
    text("the mail server refused the recipient (%(codes)s)"),
    text("the mail server rejected our user name or password (%(code)s)"),
    text("the mail server refused the message (%(code)s)"),
    text("the mail server did not respond in time"),
    text("the connection to the mail server cannot be encrypted: %(problem)s"),
    text("the mail server cannot be used: %(problem)s"),
    text("the file has no rows"),
    text("the file has more than %(most)s rows; on the server: worksgate user import"),
    text(
        "passwords and hashes are not imported here; leave the column out, or on the "
        "server: worksgate user import"
    ),
    text("somebody else has checked this file; check it yourself"),
    text("this import has begun already"),
    text("you have had another file checked meanwhile"),
    text("the file: %(problem)s"),
    text("the first line names the columns, and username must be one"),
    text("there is no column %(name)s; did you mean %(close)s?"),
    text("there is no column %(name)s; known are %(known)s"),
    text("the column %(name)s is there twice"),
    text("the row has more cells than the file has columns"),
    text("a row has either a password or a password_hash"),
    text("%(column)s must be yes or no"),
    text("the same %(what)s is already on line %(line)s"),
    text("%(file)s is UTF-16 text; save it as CSV UTF-8"),
    text("%(file)s is not %(encoding)s text (line %(line)s)"),
    text("%(file)s has more than %(most)s rows; on the server: worksgate user import"),
    text(
        "%(file)s is not a CSV file: line %(line)s: %(problem)s (a quotation mark is never closed)"
    ),
    text("%(file)s is not a CSV file: line %(line)s: %(problem)s"),
    text("there is already a person called %(name)s; --update changes them"),
    text("there is already a person called %(name)s"),
    text("there is already a client called %(name)s"),
    text("a username has 1 to %(most)s characters"),
    text("a username must not contain control or invisible characters"),
    text("a username must not begin or end with a space"),
    text("a name has at most %(most)s characters, without control characters"),
    text("an e-mail address looks like name@example.com"),
    text(
        "a group has 1 to %(most)s characters, without control characters, and no space at its ends"
    ),
    text("the name of a group must not contain %(separator)s"),
    text("a group is listed twice"),
    text("a person is in at most %(most)s groups"),
    text("the password is not accepted: %(problem)s"),
    text("the external key %(key)s belongs to %(name)s"),
    text("the LINE WORKS account %(key)s belongs to %(name)s"),
    text("the external key %(key)s is another spelling of %(other)s, which belongs to %(name)s"),
    text(
        "the LINE WORKS account %(key)s is another spelling of %(other)s, which belongs to %(name)s"
    ),
    text(
        "the external key %(key)s belonged to another person before and would give their "
        "LINE WORKS account away; --reuse-retired-keys allows it nevertheless"
    ),
    text(
        "the LINE WORKS account %(key)s belonged to another person before and would give "
        "their LINE WORKS account away; --reuse-retired-keys allows it nevertheless"
    ),
    text("an external key has 1 to %(most)s characters"),
    text("an external key must not contain %% \\ # / or ?"),
    text("an external key must not begin or end with a space or contain control characters"),
    text("a LINE WORKS account has at most %(most)s characters"),
    text("a LINE WORKS account is in lower case"),
    text("the part before @ has 2 to 40 letters, digits, full stops, hyphens or underscores"),
    text("the part after @ is not a domain"),
    text("the picture has too many details for a logo"),
    text("the file has more than %(most)s kB"),
    text("the picture is animated"),
    text(
        "the picture is %(width)s × %(height)s pixels; at most %(most)s a side and "
        "%(millions)s million in all are allowed"
    ),
    text("the picture is %(width)s × %(height)s pixels; at least %(least)s are needed"),
    text("the picture is transparent everywhere"),
    text("the file is neither a PNG nor a WebP picture, or it is damaged"),
    text("logos need Pillow: install Worksgate as 'worksgate[logo]'"),
    text("LINE WORKS refused to %(operation)s: status %(status)s, %(why)s"),
    text("LINE WORKS refused to %(operation)s: status %(status)s"),
    text("added"),
    text("removed"),
    text("restored"),
    text("removed for good"),
    text("disabled"),
    text("enabled"),
    text("added by import"),
    text("changed by import"),
    text("signed out"),
    text("one more attempt allowed"),
    text("all second factors"),
    text("%(client)s: added"),
    text("%(client)s: removed"),
    text("secret rotated"),
    text("change %(number)s undone: %(what)s"),
    text("has no role in the console"),
    text("has the role %(role)s in the console"),
    text("an owner of the console, by a one-time link, with a passkey"),
    text("an owner of the console, by a one-time link, with a password and an authenticator app"),
    text("took over the external key %(key)s of %(name)s"),
    text("took over the LINE WORKS account %(key)s of %(name)s"),
    text("external key %(key)s released"),
    text("LINE WORKS account %(key)s released"),
    text("%(name)s had it"),
    text("%(name)s has it"),
    text("external keys at LINE WORKS: %(what)s"),
    text("%(kind)s has begun: %(added)s to add, %(replaced)s to replace, %(deleted)s to take away"),
    text("an interrupted run goes on: %(number)s are left"),
    text("run has ended: LINE WORKS holds %(kept)s of %(number)s keys"),
    text("the app of the LINE WORKS API is removed: its master key is lost"),
    text("leaves: %(what)s"),
    text("leaves: on %(day)s"),
    text("leaving, failed to %(what)s: %(problem)s"),
    text("end sessions, codes and tokens"),
    text("remove app passwords"),
    text("suspend at LINE WORKS"),
    text("sign out at LINE WORKS"),
    text("no longer"),
    text("refused: %(problem)s"),
    text("sessions, codes and tokens ended"),
    text("sessions, codes and tokens ended: %(number)s"),
    text("app passwords removed"),
    text("app passwords removed: %(number)s"),
    text("suspended at LINE WORKS"),
    text("sign-out accepted by LINE WORKS"),
    text("not done at LINE WORKS: %(what)s"),
    text(
        "job %(id)s ended: its administrator may no longer do this: %(done)s people, %(failed)s not"
    ),
    text("job %(id)s stopped, others match by now: %(done)s people, %(failed)s not"),
    text("account closed"),
    text("everything ended"),
    text("everything ended by a mail"),
    text("“this was not me”: %(what)s"),
    text("the password was voided"),
    text("the password was voided, disabled"),
    text("this console was started without anything that examines the installation"),
    text(
        "there is no person %(name)s of %(source)s; people of other sources are known "
        "from their first sign-in"
    ),
    text("username"),
    text("external key"),
    text("LINE WORKS account"),
    text("set %(fields)s"),
    text("set %(fields)s by import"),
    text("the app of the LINE WORKS API was set: scopes %(scopes)s"),
    text("the app of the LINE WORKS API was removed"),
    text("branding, draft saved"),
    text("branding, draft discarded"),
    text("branding, logo set in the draft"),
    text("branding, logo removed in the draft"),
    text("branding, version %(number)s published"),
    text("branding, version %(number)s published, which is version %(before)s again"),
    text("job %(id)s: %(what)s, %(number)s people"),
    text("job %(id)s done: %(done)s people, %(failed)s not"),
    text("job %(id)s stopped after %(done)s of %(total)s"),
    text("the results of job %(id)s were exported"),
    text("disable"),
    text("enable"),
    text("sign out"),
    text("reset link"),
    text("add group"),
    text("remove group"),
    text("import"),
    text("the user keys of %(number)s people were exported"),
    text("changed at the account page"),
    text("chosen by a reset link"),
    text("everywhere: all their sessions"),
    text("one of their sessions"),
    text("authenticator app"),
    text("a second factor"),
    text("to be sent by e-mail"),
    text("a code to read out; they were called back at a number of the company's records"),
    text("a code to read out; they were there in person"),
    text("the deployer token %(name)s was made"),
    text("the deployer token %(name)s ended"),
    text("the deployer token %(name)s has expired"),
    text("the deployer token %(name)s was made by somebody who is no owner any more"),
    text("an unknown deployer token"),
    text("an invitation for %(name)s with the role %(role)s was made"),
    text("the invitation for %(name)s with the role %(role)s was withdrawn"),
    text("the role %(role)s in the console, by an invitation of %(by)s, with a passkey"),
    text(
        "the role %(role)s in the console, by an invitation of %(by)s, with a password and an "
        "authenticator app"
    ),
    text("ended by an owner"),
    text("a code to read out; somebody who knows them was asked"),
    text("the kind (%(is)s) is %(values)s"),
    text("the kind (%(is)s) is not %(values)s"),
    text("the address (%(is)s) is in %(values)s"),
    text("the address (%(is)s) is not in %(values)s"),
    text("the person (groups: %(is)s) is in %(values)s"),
    text("the person (groups: %(is)s) is not in %(values)s"),
    text("the source (%(is)s) is %(values)s"),
    text("the source (%(is)s) is not %(values)s"),
    text("the day (%(is)s) is in %(values)s"),
    text("the day (%(is)s) is not in %(values)s"),
    text("the time (%(is)s) is in %(values)s"),
    text("the time (%(is)s) is not in %(values)s"),
    text("the address is unknown, which never grants access"),
    text("it has no conditions"),
    text("the file"),
    text("%(file)s is not UTF-8 text (line %(line)s)"),
    text("the last owner signs in by a passkey alone: set a password first"),
    text("nobody is signed in"),
    text(
        "%(name)s has the role %(role)s by a group of %(source)s (console_groups): it is "
        "taken there"
    ),
    text("no external key"),
    text("no user key: there is no external key"),
    text("no user key: there is no LINE WORKS account"),
    text("wrong name or password"),
    text("going live: the members of LINE WORKS were removed"),
    text("going live: the plan of going live was changed"),
    text("going live: APPLY was pressed: the live view has begun"),
    text("going live: the live view has ended"),
    text("going live: %(number)s members of LINE WORKS were read by its API"),
    text("going live: %(number)s members of LINE WORKS were read from a file"),
    text("going live: rehearsed: %(ready)s of %(total)s are ready"),
    text("going live: %(number)s findings of the rehearsal were exported: %(finding)s"),
    text("wrong code"),
    text("redirect_uri is not on the client's allowlist"),
    text("redirect_uri is not on the client's allowlist: it is like an entry up to %(same)s"),
    text("the source address is not on the client's allowlist"),
    text("the transaction belongs to another browser"),
    text("the browser sent no cookie with the form"),
    text("nothing is known of this sign-in any more"),
    text("a passkey is required"),
    text("a rule denies it"),
    text("rule: %(rule)s"),
    text("it belongs to somebody else"),
    text("it is not registered here"),
    text("passkey not added"),
    text("passkey renamed: %(before)s → %(after)s"),
    text("passkey %(name)s"),
    text("recovery code: wrong or used"),
    text("the password has expired"),
    text("was temporary"),
    text("changed their password"),
    text("this person or their departure has been changed meanwhile"),
    text("somebody else has changed the plan"),
    text("set-up: %(what)s"),
    text("set-up: %(product)s, plan %(plan)s, domain %(domain)s"),
    text("the user key is the %(what)s"),
    text("goes on with %(client)s"),
    text("set-up: %(field)s is as it must be"),
    text("set-up: %(field)s is not as it must be"),
    text("public address, from inside: %(what)s"),
    text("public address, from outside: %(what)s"),
    text("ok"),
    text("warn"),
    text("fail"),
    text("reached"),
    text("slow"),
    text("inside"),
    text("elsewhere"),
    text("plain_http"),
    text("not_ours"),
    text("no_name"),
    text("refused"),
    text("timeout"),
    text("tls"),
    text("unreadable"),
    text("source %(source)s was asked: %(what)s"),
    text("source %(source)s was asked about %(name)s: %(what)s"),
    text("source %(source)s was asked about %(name)s, with a password: %(what)s"),
    text("set-up: %(ready)s of %(total)s people have a usable %(what)s"),
    text("LINE WORKS was given the keys, by file"),
    text("tries a sign-in at %(client)s as LINE WORKS would"),
    text("the sign-in that was tried at %(client)s has ended"),
    text("values that work: %(number)s"),
    text("job %(id)s: %(what)s, %(number)s people, which undoes job %(before)s"),
    text("a test alert was sent"),
    text("mail: taken"),
    text("mail: not taken"),
    text("webhook: taken"),
    text("webhook: not taken"),
    text("bot: taken"),
    text("bot: not taken"),
    text("%(number)s audit records were lost while the database did not respond"),
    text("seal %(number)s of the audit log was removed or changed: %(digest)s"),
    text("secrets are encrypted under master key %(key)s"),
    text("TOTP: its master key is lost"),
    text("the password is temporary"),
    text("no second factor"),
    text("the provider first"),
    text("another provider: %(problem)s"),
    text("another provider: no administrator"),
    text("unknown passkey"),
    text("too many attempts"),
    text("no longer in the group %(group)s of %(source)s"),
    text("%(source)s no longer knows them"),
    text("%(number)s codes"),
    text("recovery code, one of %(number)s"),
    text("all: %(number)s"),
    text("all, with the password"),
    text("everywhere: %(number)s things have ended"),
    text("everywhere: 1 thing has ended"),
    text("LINE WORKS gives no answer to %(what)s: %(problem)s"),
    text("it answers with status %(status)s"),
    text("end a suspension"),
    text("list external keys"),
    text("list people"),
    text("say who somebody is"),
    text("send a message"),
    text("sign somebody out"),
    text("suspend somebody"),
    text("write external keys"),
    text("the authorization server of LINE WORKS gives no answer: %(problem)s"),
    text("the authorization server answered with status %(status)s and no JSON"),
    text("the authorization server refuses an access token (%(problem)s): %(what)s"),
    text("check the client ID and the client secret"),
    text("tick the scope in the Developer Console; a change there takes some minutes"),
    text("check the service account and the private key, and this machine's clock"),
    text("check the app in the Developer Console"),
    text("LINE WORKS gives the pages of a list in a circle"),
    text("a list of LINE WORKS does not have the documented form"),
    text("an answer of LINE WORKS cannot be read: %(problem)s"),
    text("LINE WORKS gave no answer within %(seconds)s s"),
    text(
        "it is not clear who %(name)s is at %(client)s: the key and the account are not of one "
        "member"
    ),
    text("nobody there has this user key or account"),
    text("the database does not respond: %(problem)s"),
    text("the database was locked for too long"),
    text("the database was too slow"),
    text("too many requests are waiting"),
    text("no connection was free in time"),
    text("%(records)s: %(number)s in front of the first seal, added later"),
    text(
        "seal %(number)s, the newest, has no code of master key %(key)s: it was not made by a "
        "server with that key"
    ),
    text("%(seal)s was changed: it does not begin where seal %(before)s ends"),
    text(
        "%(seal)s was changed: its records count as past their time, and those of the seal before "
        "do not"
    ),
    text("%(seal)s was changed: its code is not that of master key %(key)s"),
    text("%(seal)s was changed; its records are as they were sealed"),
    text("all records up to %(last)s were removed, and not by anyone with master key %(key)s"),
    text(
        "all records up to %(last)s were removed, and no record says that they were past their time"
    ),
    text("%(seal)s has another digest than expected: the log was written again"),
    text(
        "seal %(number)s cannot be compared: it and its records were removed when they were past "
        "their time, as all before seal %(first)s"
    ),
    text("seal %(number)s, which is expected, does not exist: the log was cut off before it"),
    text(
        "%(records)s are not as they were sealed (%(seal)s): at least one of them, or the seal, "
        "was changed"
    ),
    text("%(number)s of %(records)s (%(seal)s) are missing"),
    text(
        "record %(number)s was added to %(records)s (%(seal)s) after these were sealed, or came "
        "late"
    ),
    text("%(number)s more than were sealed are among %(records)s (%(seal)s)"),
    text(
        "seal %(number)s is missing, for %(records)s; without it, seal %(next)s cannot be compared"
    ),
    text(
        "seals %(first)s to %(last)s are missing, for %(records)s; without it, seal %(next)s "
        "cannot be compared"
    ),
    text("seal %(number)s of %(time)s"),
    text("records %(first)s to %(last)s"),
    text("seal %(number)s"),
    text("record %(number)s"),
    text("%(name)s is disabled; a link would not work"),
    text("suspend: %(problem)s"),
    text("sign out: %(problem)s"),
    text("the database has no tables yet: run worksgate migrate"),
    text("PostgreSQL cannot be reached: %(problem)s"),
    text("Valkey cannot be reached: %(problem)s"),
    text("Valkey does not answer in time"),
    text("Valkey has closed the connection"),
    text("Valkey came to the request too late"),
    text("the password in store_url is wrong (%(detail)s)"),
    text("Valkey wants a password, and store_url has none (%(detail)s)"),
    text("Valkey refuses: %(problem)s"),
    text("at most 32 MiB"),
    text("as %(encoding)s it cannot be written back unchanged"),
    text("line %(line)s, column %(column)s: %(what)s"),
    text("there is a NUL"),
    text("the address is not an allowed one"),
    text("the response is not a stream"),
    text("the response is too long"),
    text("the response is not JSON"),
    text("the response is a redirect"),
    text("the response is a redirect to another host"),
    text("the response is a second redirect"),
    text("the response is no redirect to a file"),
    text("the response is a redirect to nowhere"),
    text("it took too long"),
    text("status %(status)s"),
    text("works_account"),
    text("external_key"),
    text("a link for another owner of the console was made"),
    text("a link for the first owner of the console was made"),
    text("imported"),
    text("%(number)s audit records were past their time"),
    text("up to record %(record)s: %(number)s audit records were past their time"),
    text("TOTP"),
    text("the form is too old"),
    text("too many wrong passwords before"),
    text("the response is from another passkey"),
    text("the passkey was made for another person"),
    text("TOTP: the code was used before"),
    text("TOTP: wrong code"),
    text("TOTP: wrong code at the enrolment"),
    text("TOTP: wrong code, the clock of the phone is %(seconds)s s fast"),
    text("TOTP: wrong code, the clock of the phone is %(seconds)s s slow"),
    text("TOTP: wrong code at the enrolment, the clock of the phone is %(seconds)s s fast"),
    text("TOTP: wrong code at the enrolment, the clock of the phone is %(seconds)s s slow"),
    text("the counter went back, or it was removed at this moment"),
    text("passkey: nobody of this client's"),
    text("the browser has kept nothing for this state"),
    text("the state is another source's"),
    text("the state was used before"),
    text("a field has more than %(most)s characters"),
    text("the delimiter is not clear"),
    text("more follows the closing quotation mark"),
    text("a quotation mark is never closed"),
    text("a quotation mark is within a field that has none around it"),
)
"""Of what keeps an administrator from something, and of what records say was done."""

CAUSES: Final = (
    text("certificate has expired"),
    text("certificate is not yet valid"),
    text("certificate revoked"),
    text("self-signed certificate"),
    text("self signed certificate"),
    text("self-signed certificate in certificate chain"),
    text("self signed certificate in certificate chain"),
    text("unable to get issuer certificate"),
    text("unable to get local issuer certificate"),
    text("unable to verify the first certificate"),
    text("certificate signature failure"),
    text("EE certificate key too weak"),
    text("CA certificate key too weak"),
    text("CA signature digest algorithm too weak"),
    text("Hostname mismatch, certificate is not valid for '%(name)s'."),
    text("IP address mismatch, certificate is not valid for '%(name)s'."),
    text("operationsError"),
    text("protocolError"),
    text("timeLimitExceeded"),
    text("sizeLimitExceeded"),
    text("adminLimitExceeded"),
    text("authMethodNotSupported"),
    text("strongerAuthRequired"),
    text("confidentialityRequired"),
    text("inappropriateAuthentication"),
    text("insufficientAccessRights"),
    text("noSuchObject"),
    text("invalidDNSyntax"),
    text("busy"),
    text("unavailable"),
    text("unwillingToPerform"),
    text("socket ssl wrapping error: %(cause)s"),
    text("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: %(cause)s (_ssl.c:%(line)s)"),
    text("ConnectError"),
    text("ConnectTimeout"),
    text("ReadTimeout"),
    text("TimeoutError"),
    text("ReadError"),
    text("RemoteProtocolError"),
)
"""What OpenSSL and directories say, word for word; their words follow in parentheses."""

_PLACE: Final = re.compile(r"%\((\w+)\)s")
_SHOWN: Final = 2_000
"""Characters: no sentence is longer."""


_Places = tuple[tuple[str, str], ...]


class Recognized(NamedTuple):
    """A sentence: its template, which is the key of its translation, and its values."""

    template: str
    values: Mapping[str, str]


@lru_cache(2_048)
def recognize(sentence: str) -> Recognized | None:
    """The template that a sentence was made of, if it is known."""
    return _recognized(sentence, TEMPLATES)


@lru_cache(256)
def recognize_cause(words: str) -> Recognized | None:
    """The same of what another program says."""
    return _recognized(words, CAUSES)


def _recognized(sentence: str, templates: tuple[str, ...]) -> Recognized | None:
    if len(sentence) > _SHOWN:
        return None
    for template, first, places in _parted(templates):
        if (values := _values_in(sentence, first, places)) is not None:
            return Recognized(template, values)
    return None


def _values_in(sentence: str, first: str, places: _Places) -> dict[str, str] | None:
    """What stands at the places of a template, each value as short as it can be.

    In one pass, since a value may be anything: a pattern with several of them would try them all,
    which takes seconds for a long sentence that is nearly one.
    """
    if not sentence.startswith(first):
        return None
    at, values = len(first), {}
    for number, (name, after) in enumerate(places, 1):
        is_last = number == len(places)
        end = len(sentence) - len(after) if is_last else sentence.find(after, at + 1)
        if end <= at:
            return None
        values[name], at = sentence[at:end], end + len(after)
    ends = places[-1][1] if places else ""
    return values if at == len(sentence) and sentence.endswith(ends) else None


@cache
def _parted(templates: tuple[str, ...]) -> list[tuple[str, str, _Places]]:
    """Those with the most words of their own first: a value may be anything.

    Each with its words before the first place, and each place with the words behind it.
    """
    ordered = sorted(templates, key=lambda each: len(_PLACE.sub("", each)), reverse=True)
    parted = []
    for template in ordered:
        first, *rest = _PLACE.split(template)
        words = [each.replace("%%", "%") for each in rest[1::2]]
        places = tuple(zip(rest[::2], words, strict=True))
        parted.append((template, first.replace("%%", "%"), places))
    return parted
