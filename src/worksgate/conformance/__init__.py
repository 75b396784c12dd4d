"""Plays LINE WORKS against any implementation of the customer's side.

Owns what LINE WORKS puts on the wire: the login links, the two back-channel calls, the IMAP/CalDAV
call, its timeouts, and a record of every exchange that can be shown without revealing a secret.
Whether a response is *right* is decided in `checks` alone.

It imports nothing of Worksgate, only the standard library and httpx2 (and what pages are made with,
where there are pages), so that it cannot share our mistakes: a wrong idea about the wire has to be
implemented twice to go unnoticed.

    line_works      the links and calls of LINE WORKS
    exchange        a request, its response and its times
    http_answer     an answer of HTTP/1, read byte by byte
    checks          every rule of the protocol as a check of any implementation
    report          the results of a check, as text, JSON, JUnit and HTML
    simulator       a small site that plays LINE WORKS for a browser
    directory_api   LINE WORKS' API 2.0, to be called: people, External Keys, bots, audit log
    recording       real calls without their secrets, kept and sent again

A sign-in: `authorization_url` builds the URL for the browser, `parse_callback` reads the code from
the URL that it comes back to, `LineWorks.exchange_code` and `LineWorks.user_info` make the two
calls, and each returns an `Exchange`: request, response, times against the limits, and the failure,
if any.
"""
