"""Endpoints for operators: liveness, readiness and metrics.

    listener    the operations port
    readiness   ``/readyz``

The metrics themselves are in ``observability``.
"""
