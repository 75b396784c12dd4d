"""The sign-in page and its steps.

    handlers    the requests of a browser
    responses   the page for each next step
    refusals    the page for each refusal
    logos       the logos of clients

A refusal is a page, never a redirect: the address may not have been validated yet.
"""
