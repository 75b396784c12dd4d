"""Plays LINE WORKS against any implementation of the customer's side.

Owns what LINE WORKS puts on the wire: the login links, the two back-channel calls, the
IMAP/CalDAV call, its time limits, and a record of every exchange that can be shown without
giving a secret away. It owns no opinion: what an answer *should* have been is judged by
whoever reads the record.

It imports nothing of Worksgate, only the standard library and httpx2, so that it cannot share
our mistakes: a wrong idea about the wire has to be had twice to go unnoticed.

    line_works   the links and calls of LINE WORKS
    exchange     a request, its answer and its times
    simulator    a small site that plays LINE WORKS at a browser

A sign-in moves through it like this: `authorization_url` makes the address that the browser is
sent to, `parse_callback` reads the code from the address that it comes back to,
`LineWorks.exchange_code` and `LineWorks.user_info` make the two calls, and each returns an
`Exchange`: request, answer, times against the limits, and what went wrong, if anything did.
"""
