"""The administrators' console: pages of its own, on a listener and in a process of its own.

It never slows a call of LINE WORKS, and people's pages never lead here. Every page comes whole from
the server and works without JavaScript.

    routes          every page, with what one must be allowed for it: one table
    application     a request's way: address, session, permission, form, page
    visit           one request of an administrator
    examiner        what is asked about the installation itself; ``doctor`` answers
    pages           templates, texts and policies of the pages
    cookies         the console's two cookies
    uploads         forms with a file
    csv_files       files for spreadsheets
    periods         periods of time, and their parts
    charts          charts, from numbers to positions
    addresses       how much of an address a role sees
    known_sentences templates of plain sentences of other rooms
    recognized      finds the one that a sentence was made of
    single_task     work in the background, once at a time
    examination     the last examination of the installation
    sign_in_trial   the last sign-in that was tried as LINE WORKS would make it
    verifying       the last comparison of the audit log with its seals
    alert_texts     what an alert says

    access          signing in and out, one's own sessions, step-up
    first_link      the one-time link with which the first owner begins, or an invitation
    passkeys        signing in with a passkey, and one's own
    factors         one's own authenticator app and recovery codes
    providers       signing in by another provider
    today           what needs attention, and the field that finds everything
    people          the list of people; one person, and what helps them
    removals        somebody who was removed: brought back, or removed for good
    new_password    a new password for somebody: by a link, by mail, by a code to read out
    bulk            many people at once, and the jobs that carry that out
    importing       people from a CSV file
    leaver          somebody who leaves: what ends, when, and the proof of it
    trace           why somebody cannot get in, by whatever is known of it
    next_pages      where the next step of a trace is done
    sign_ins        when people signed in, how many, and why some were refused
    clients         the clients; one client, its secret and its settings
    client_fields   the settings of a client: labels, sentences, how they are typed
    rules           the access rules of a client in words, and what they say of somebody
    conflicts       two who change the same thing, put together
    meanwhile       what has changed since a page was shown, and its question again
    audit           the records of what happened
    changes         who changed what, before and after; undo
    deeds           what a record says that somebody did, in words
    wizard          the set-up, step by step
    plan            the plan of the day, to print
    live            the day: who is in since APPLY
    rehearsal       who would fail at APPLY, and the members of LINE WORKS
    wizard_people   its steps 3 to 5: people, user keys, what LINE WORKS is told
    wizard_values   its step 6: every value for the Developer Console
    wizard_rehearse its step 7: the rehearsal, and a sign-in that the player tries
    sources         whether a source answers, and what it says of somebody
    exports         records as a file, while they are read
    branding        how a client's sign-in page looks
    administrators  who has which role, and all sessions
    invitations     invitations of further administrators
    deployers       tokens of deployers: made, shown once, and ended
    bearer          requests with such a token: no session, no cookie, JSON
    applying        the one thing that they do: clients as a document says
    configuration   settings of alerts and of what is kept, and where they were set
    health          whether the installation is well
"""
