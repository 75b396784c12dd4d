"""People manage their own account, and recover it.

    self_service        the account page: password, app passwords, sessions
    own_factors         their second factors
    values              the values that the account page shows, and refusals
    password_strength   strength of a new password, while it is typed
    password_reset      a new password by a one-time link or code
    reset_links         these links and codes
    reset_requests      people who ask for a link
    notices             an e-mail for each change of a credential
    disavowal           "this was not me": the link in a notice, which revokes everything
    one_time_links      links with a secret that works once

Owners are notified of every change of a credential, no matter who made it.
"""
