"""People look after their own account, and recover it.

    self_service        the account page: password, second factors, app passwords, sessions
    values              what the account page shows, and why something is refused
    password_strength   how strong a new password would be, while it is typed
    password_reset      links by which people choose a new password
    notices             an e-mail for each change of a credential
    disavowal           "this was not me": the link of a notice, which ends everything
    one_time_links      links with a secret that works once

Every change of a credential is announced to its owner, whoever made it.
"""
