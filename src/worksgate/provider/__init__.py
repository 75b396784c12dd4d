"""The product on one page: what happens when a browser, or LINE WORKS, calls.

A person signs in (``sign_in``; the verbs are those of ``IdentityProvider`` in ``browser_flow``):

    authorize             a browser arrives from LINE WORKS: does its session suffice?
    log_in                a name and a password were typed
    use_passkey           a passkey says who it is
    begin_upstream_login  another provider does; finish_upstream_login: the browser is back
    verify_second_factor  a second factor was given; enrol: one was set up
    change_password       a temporary password was replaced
    return_to, resume     the browser comes (back) to the page of a step
    continue_as           the person confirms who is signed in
    log_out               the session ends

LINE WORKS calls (``calls``):

    exchange_code         a code becomes an access token
    user_info             an access token becomes the person's user key
    imap_login            a mail client's password is checked

What both stand on:

    code_issuing       the one place where a code is made
    sources            which identity sources a client's people may use, in their order
    throttle           how failures slow the next attempt
    sessions           opens, finds and ends the sessions of browsers
    assurance          how sure we are of who signed in: which factors, and when
    factors            second factors and app passwords
    revocation         ends everything that a person holds
    stranger_records   audit records that unauthenticated callers cause
    account            people look after their own account

``oauth`` says what the wire means, ``store`` decides who wins, ``sources`` say who people are,
``directory`` keeps what lasts. Nothing in this package knows HTTP.
"""
