"""What an operator asks a process: is it alive, is it ready, how is it doing.

    listener    the operator's own port
    readiness   ``/readyz``

The numbers themselves are ``observability``'s.
"""
