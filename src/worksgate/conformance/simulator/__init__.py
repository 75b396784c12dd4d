"""A small web application that plays LINE WORKS for a person at a browser.

It owns what LINE WORKS does in a sign-in: it sends the browser to the login page, receives the
authorization code, makes the two back-channel calls, starts a session of its own, and shows all
eleven steps with every request, answer and time. It passes on what somebody has typed into a mail
app, and it can misbehave, to show each error of the contract really produced. It stands on
`worksgate.conformance` and imports no server code, so what it shows was really on the wire.

A sign-in moves through it like this: `app` reads the request, `sign_in` begins a `Login` and
completes it at the callback (`mail_app` does all at once), `misbehaviour` runs a scenario instead
where one was asked for, `diagram` turns the login into its steps, and the templates draw them.
`settings` say where it plays, `texts` are its words in each language, and `headers` go with every
answer. Everything lives in memory (`memory`), for thirty minutes at most; no secret is kept longer
than the call needs it.

It is a tool for trying out and demonstrating, not a service for the internet.
"""

from worksgate.conformance.simulator.app import create_simulator
from worksgate.conformance.simulator.settings import DemoPerson, PresentCode, SimulatorSettings

__all__ = ["DemoPerson", "PresentCode", "SimulatorSettings", "create_simulator"]
