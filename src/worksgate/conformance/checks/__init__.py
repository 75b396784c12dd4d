"""The checks: each rule of LINE WORKS' protocol as one small function with its record.

Owns what is right and what is wrong about an answer. It plays LINE WORKS by `line_works`, never
imports the server, and shows nothing: `conformance/report` does. A check registers itself with its
family, returns if the rule is kept, and raises `Finding` or `Untested`.

    target        what is examined, and the accounts for it
    run           the calls, and the sign-ins that several checks look at
    sign_in       by forms or by hand; forms: a page's forms; browser: with a real browser
    markup        the tags of a page of a stranger
    wire          requests byte by byte
    meter         the bounds of a run, and the record of its requests
    recording     what a report may show of a request
    registry, verdicts, expectations   a check, what it says, what an answer must be
    calls         what holds for both calls of LINE WORKS' servers
    examination   all families in their order, and how they are run
    operator      what somebody with access does on request: disables people, causes an outage
    reach, login, token, user_info, refresh, framing, imap, logout, operation   the families

To add a check: write the function in its family, break `tests/conformance/implementation.py` with
one more fault for it, and translate title and reason in `report/locale`.
"""
