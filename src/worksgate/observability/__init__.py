"""Log, metrics for Prometheus, and traces for OpenTelemetry.

This package exposes numbers; it decides nothing, and nothing waits for it. What happens is counted
where it happens (``instruments``); the rest is loaded only where metrics are asked for.

    log                    log lines, through a bounded queue
    rate_limited_warning   a warning that may be due at every request
    instruments            the counters
    figures                where the numbers are
    metric_families        the numbers become metrics
    prometheus             the page that Prometheus fetches, of one process or of many
    worker_files           how the processes of one port share their numbers
    tracing                spans of requests and of the sources

No metric and no span holds a secret, a name of a person or a query string; labels take only values
that the settings and the code fix.
"""
