"""The pages of people's own account.

    handlers            the requests
    forms               forms, and their anti-forgery tokens
    pages               appearance
    client_looks        appearance of a client, where one is known
    wording             texts
    password_strength   the strength meter of a new password
    password_reset      the pages of a reset link
    disavowal           the pages of a notice's link

``provider.account`` makes the decisions; here requests are parsed and pages rendered.
"""
