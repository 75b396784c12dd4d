"""The demonstration: Worksgate with its console, and a simulator of LINE WORKS.

Another company's OpenID provider is there as well, and a company of 300 people.

It owns the demo data and the servers, all in one process. They listen on loopback only, and use a
database of their own. None of this is a default of the real server (R-103), which does not import
it.

    command           ``worksgate demo``
    people            the people to sign in as
    installation      the settings, clients and people of the demonstrated Worksgate
    company           its 300 people and their four weeks, and the owner of its console
    staff             who they are
    history           the records of their sign-ins
    mistakes          three things that are wrong on purpose
    line_works_api    the simulated API of LINE WORKS
    commands_to_try   what to type, and the files for it
    members           the company at LINE WORKS, with some keys wrong
    console_door      the link that opens the console for the owner
    openid_provider   "Partner", a provider of two people, without passwords
    wording           the texts of the door and of the provider
    page_templates    their pages
    servers           all servers in one process
"""
