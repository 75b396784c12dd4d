"""The pages of people's own account.

    handlers            what can be asked
    forms               its forms, and their anti-forgery tokens
    pages               how they look
    wording             their words
    password_strength   the meter beside a new password
    password_reset      the pages of a reset link
    disavowal           the pages of a notice's link

``provider.account`` decides; here it is read, shown and said.
"""
