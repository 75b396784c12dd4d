"""How pages and mails look, and in which words.

    rendering       pages from templates, with their policy
    forms           what the pages of a sign-in show
    skeletons       pages that are rendered once and filled for each request
    wording         the words of pages
    mails           the mails
    catalogues      the languages
    browser_names   what a browser is called
    anti_forgery    tokens of forms that belong to no sign-in

``templates``, ``static`` and ``locale`` are their files.
"""
