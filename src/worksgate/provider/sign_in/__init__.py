"""A sign-in, from the request of LINE WORKS to the one code. Read it from top to bottom:

    browser_flow        each step that a browser can take; the verbs of the provider
    transaction         what travels, signed, in the form
    transaction_check   what must hold of a transaction at each request
    session_key         asks LINE WORKS whether an app's ``sessionKey`` is real
    password            the sources in their order, behind the throttle; passkeys
    upstream            sends browsers to another provider and takes them back
    required_steps      what is still missing, decided from facts alone
    steps               the second factor, its enrolment, a password of one's own
    completion          the last look at the person; the session and the code
    attempt             who is at the browser, and how far they are
    next_steps          what a step returns: what comes next
    errors              why a sign-in is refused
    audit_trail         what is recorded of it

The person is looked at once more after the code is saved: disabling somebody wins every race.
"""
