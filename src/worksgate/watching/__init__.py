"""How an installation is watched: metrics for Prometheus, and traces for OpenTelemetry.

This package reads numbers and tells them; it decides nothing, and nothing waits for it. What
happens is counted where it happens (``measures``); only who is asked for metrics loads what writes
them, so an installation that nobody watches pays for neither.

    figures      where the numbers are
    families     the numbers become metrics
    watch        the page that Prometheus fetches, of one process or of many
    workers      how processes that serve one port tell each other their numbers
    sources      counts what the identity sources say
    tracing      spans of requests and of the sources, where OpenTelemetry is wanted
    traced_store spans of the store

No metric and no span holds a secret, a name of a person or a query string; labels take only values
that the settings and the code fix.
"""
