"""Clients: the LINE WORKS tenants that are served, and who may sign in to each.

    registry       all clients in memory, refreshed every 0.2 s; verification of secrets
    access_rules   a client's rules: allow, require a second factor or a passkey, deny
    rule_trials    what rules would say of a sign-in
    validation     validation of a client before it is stored
    sentences      what they say of a setting that is refused, with translations
    companies      what a person's company is called in e-mails
    branding       how a client's sign-in page looks: what is allowed, colors, logos

Calls of LINE WORKS do not read the database for their client (decision 2).
"""
