"""Logs, Prometheus metrics and OpenTelemetry traces.

This package exposes numbers; it makes no decisions, and nothing waits for it. Events are counted
where they happen (``instruments``); the rest is only loaded if metrics are requested.

    log                    log lines, through a bounded queue
    rate_limited_warning   a warning that may be due at every request
    instruments            the counters
    figures                references to the numbers
    metric_families        turns the numbers into metrics
    prometheus             the metrics endpoint, of one process or of many
    worker_files           shares numbers between the processes of one port
    tracing                spans of requests and of the sources
    spans                  the type of a span, and one that does nothing

No metric or span contains a secret, a person's name or a query string; labels only take values that
the settings and the code define.
"""
