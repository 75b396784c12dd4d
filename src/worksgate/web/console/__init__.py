"""The administrators' console: pages of its own, on a listener and in a process of its own.

It never slows a call of LINE WORKS, and people's pages never lead here. Every page comes whole from
the server and works without JavaScript.

Every page uses:

    routes          every page, with what one must be allowed for it: one table
    application     a request's way: address, session, permission, form, page
    visit           one request of an administrator
    pages           templates, texts and policies of the pages
    cookies         the console's two cookies
    uploads         forms with a file
    addresses       how much of an address a role sees
    periods         periods of time, and their parts
    charts          charts, from numbers to positions
    csv_files       files for spreadsheets
    exports         records as a file, while they are read
    known_sentences     plain sentences of other rooms: their templates, to be translated
    sentence_matching   finds the template of a sentence, for the language of the page
    records_in_words    what a record says that somebody did, in the language of the page
    alert_texts     what an alert says
    conflicts       two administrators change the same thing: both versions, merged
    outdated_forms  what has changed since a page was shown; asks again

In the background, or asked of other rooms:

    examiner        what is asked about the installation itself; ``doctor`` answers
    examination     the last examination of the installation
    sign_in_trial   the last sign-in that was tried as LINE WORKS would make it
    verification    the last comparison of the audit log with its seals
    single_task     work in the background, once at a time

Signing in, and one's own settings:

    access          signing in and out, one's own sessions, step-up
    first_link      the one-time link with which the first owner begins, or an invitation
    providers       signing in by another provider
    passkeys        signing in with a passkey, and one's own
    factors         one's own authenticator app and recovery codes

Today and people:

    today           what needs attention, and the field that finds everything
    people          the list of people
    person          one person, and what helps them
    help_limit      how many people somebody of the help desk may help
    trace           why somebody cannot get in, by whatever is known of it
    next_pages      where the next step of a trace is done
    new_password    a new password for somebody: by a link, by mail, by a code to read out
    leaver          somebody who leaves: what ends, when, and the proof of it
    removals        somebody who was removed: brought back, or removed for good
    bulk            many people at once, and the jobs that carry that out
    importing       people from a CSV file
    sign_ins        when people signed in, how many, and why some were refused

Set-up and going live:

    wizard          the set-up, step by step
    wizard_people   steps 3 to 5: people, user keys, and the keys that LINE WORKS needs
    wizard_values   step 6: every value for the Developer Console
    wizard_rehearse step 7: the rehearsal, and a sign-in that the player tries
    sources         whether a source responds, and what it returns for a person
    rehearsal       who could not sign in after APPLY, and the members of LINE WORKS
    plan            the plan of the day, to print
    live_view       the day: who is in since APPLY

Clients:

    clients         the clients; one client, its secret and its settings
    client_fields   the settings of a client: labels, sentences, how they are typed
    rules           the access rules of a client in words, and what they say of somebody
    branding        how a client's sign-in page looks

Records and the installation:

    audit           the records of what happened
    changes         who changed what, before and after; undo
    health          the state of the installation
    configuration   settings of alerts and of what is kept, and where they were set

Administrators and deployers:

    administrators  who has which role, and all sessions
    invitations     invitations of further administrators
    deployers       tokens of deployers: made, shown once, and ended
    bearer          requests with such a token: no session, no cookie, JSON
    applying        their only request: clients as a document says
"""
