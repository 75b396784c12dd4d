"""The sign-in page and its steps.

    handlers    what a browser asks
    responses   the page for each next step
    refusals    the page for each thing that goes wrong

A refusal is a page, never a redirect: the address may not be checked yet.
"""
