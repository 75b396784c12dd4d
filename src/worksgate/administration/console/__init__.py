"""Signing in to the console, and what administrators keep there for themselves.

A request asks these in turn:

    sign_in     a password and a second factor, or a passkey
    providers   a sign-in at another provider, in place of the password
    sources     the identity source of an administrator: who they are, and whether it vouches still
    rights      what gives them their role: it was assigned, or a group of their source
    sessions    a session: its beginning, use and end
    browsers    their browsers, and which are known
    places      from where they sign in, and whether that is new

Their own credentials:

    passkeys    their passkeys, which are for the console only
    factors     their own authenticator app and recovery codes

What a role may do is in ``administration.roles``, and who has which in
``administration.administrators``. Pages and cookies are in ``web.console``.
"""
