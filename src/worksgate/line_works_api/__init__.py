"""The LINE WORKS API 2.0, as far as Worksgate calls it: people, keys, messages, logs.

    directory_api  ``DirectoryApi``: lists people and keys, writes keys, suspends, signs out
    audit_logs     downloads a log of LINE WORKS, and reads its columns
    bot_messages   texts that a bot sends to a person or a channel
    people         what LINE WORKS says of a person, and of a person's key
    app            what Worksgate signs in with there: the app of the Developer Console
    hosts          where the API of a tenant is, and what may be called
    private_key    the app's private key, as it is read
    assertion      the signed statement for which an access token is given
    tokens         access tokens, in memory only
    calling        one call at a time: retries, one redirect, bounded answers
    pacing         stays below the rate limits
    errors         what LINE WORKS refuses, and that it does not answer

A call goes through ``directory_api`` (what), ``calling`` (how often, and in what order), ``tokens``
(as whom) and ``limits.outgoing`` (where to, and how much). A member is always identified by the
permanent ID: an account or a key may belong to somebody else by the time of the call.

Nothing here deletes anybody: the operations are those of these modules, and no others (R-219).
Sign-ins do not need this room, and no call of LINE WORKS waits for it.

https://developers.worksmobile.com/en/docs/api
"""
