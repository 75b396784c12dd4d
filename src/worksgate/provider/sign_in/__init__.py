"""A sign-in, from LINE WORKS' request to the one code. Read it from top to bottom:

    browser_flow        each step that a browser can take; the methods of the provider
    transaction         the state that travels, signed, in the form
    transaction_check   validation of a transaction at each request
    session_key         verifies an app's ``sessionKey`` with LINE WORKS
    password            the sources in order, behind the throttle; passkeys
    upstream            redirects browsers to another provider, and handles their return
    required_steps      the missing steps, as a pure decision
    steps               the second factor, its enrolment, a new password
    completion          the last check of the person; the session and the code
    attempt             the browser, and the progress of the sign-in
    outcomes            the results of a step
    errors              why a sign-in is refused
    audit_trail         its audit records

The person is checked once more after the code is saved: disabling somebody wins every race.
"""
