"""The product on one page: what happens when a browser, or LINE WORKS, calls.

A person signs in (``sign_in``; the verbs are those of ``IdentityProvider`` in ``browser_flow``):

    authorize             a browser arrives from LINE WORKS; its session may suffice
    log_in                a username and a password were typed
    use_passkey           a passkey identifies the person
    begin_upstream_login  redirects to another provider; finish_upstream_login: the browser is back
    verify_second_factor  a second factor was used; enrol: one was set up
    change_password       a temporary password was replaced
    return_to, resume     the browser comes (back) to the page of a step
    continue_as           the person confirms the signed-in account
    log_out               the session ends

LINE WORKS calls (``calls``):

    exchange_code         exchanges a code for an access token
    user_info             returns the person's user key for an access token
    imap_login            checks a mail client's password

Shared by both:

    code_issuing       the only place where codes are issued
    sources            the identity sources that a client's people may use, in order
    password_refusals  why a password was refused, for the audit log
    throttle           delays after failed attempts
    sessions           opens, finds and ends the sessions of browsers
    assurance          how strong a sign-in is: which factors, and when
    factors            second factors and app passwords
    revocation         ends everything that a person holds
    stranger_records   rate-limited audit records of unauthenticated callers
    account            people manage and recover their own account

``oauth`` defines the wire, ``store`` decides races, ``sources`` identify people, ``directory``
keeps persistent data. Nothing in this package knows HTTP.
"""
