"""What LINE WORKS really sent, as a file that can be sent again.

A recording has the shape of each call and of its answer: which parameters there were, in which
order, of which length and characters, how the request was framed, and the status, the members and
the error of the answer. Every secret and every name in it is a keyed hash, and the key is thrown
away at the end: the file says that two calls had the same code, and nothing about the code. Nobody
can sign in with it (decision 55).

Recording:

    observed        a call and its answer as the server saw them, with all secrets
    keyed_hash      what stands for a secret or a name in the file
    abstraction     from what was observed to what is kept
    calls           what is kept of a call, and its line in the file
    file            the file: written within bounds, read without trust
    rendezvous      the socket at which the processes of the server find who records
    worker_link     sends what a process of the server observes, from a thread
    collector       receives it from all processes and writes the file

Replay:

    relations       whose code, which token, the right secret: what the hashes tell
    plans           what to send in place of each value, or why a call cannot be sent again
    stand_ins       the clients and people of the target that take part
    wire            sends a request byte by byte
    sign_in         signs a person in through the target's sign-in page, for a code
    replaying       sends the calls in their order and at their pace
    comparison      what is different between two answers; the report

A secret of the recording cannot be sent again, so a replay re-enacts: its codes come from sign-ins
of its own, and the relations of the recording say which of them a call presents, and how often.
Like the rest of ``conformance`` this imports nothing of the server; the server's tap is
``web.calls.recording``.
"""
