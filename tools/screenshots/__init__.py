"""Takes all pictures of the documentation anew, into docs/images: ``make screenshots``.

    __main__        the command, and the pictures of the README
    camera          a page by day and by night, in one picture of few bytes
    demonstration   ``worksgate demo``, running, and its administration
    console         every page of the console, of that demonstration
    people          every page that people see when they sign in, and of their account
    gallery         docs/pictures.md in three languages, which shows all of them
    texts.toml      the titles and sentences there

Everybody in the pictures is made up. Links, keys and codes in them open nothing.
"""
