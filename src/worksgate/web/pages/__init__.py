"""How pages and e-mails look, and their texts.

    commands        commands in sentences
    environments    how templates are compiled
    rendering       renders pages from templates, with their policy
    forms           the values that the pages of a sign-in show
    looks           the look of a client's pages, prepared once per version
    stylesheets     the style that pages include, and the tints of a client's
    previews        the sign-in page of a client, for administrators
    skeletons       pages that are rendered once and filled for each request
    wording         the texts of pages about problems; other words are in templates
    mails           the e-mails
    catalogues      the languages
    browser_names   names of browsers
    anti_forgery    tokens of forms that belong to no sign-in

``templates``, ``static`` and ``locale`` are their files.
"""
