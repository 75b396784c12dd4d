"""A small web application that plays LINE WORKS for a person at a browser.

It owns what LINE WORKS does in a sign-in: it sends the browser to the sign-in page, receives the
authorization code, makes the two back-channel calls, starts a session of its own, and shows all
eleven steps with every request, response and time. It passes on what somebody has typed into a mail
app, and it can misbehave, to demonstrate each error of the contract for real. It is based on
`worksgate.conformance` and imports no server code, so everything it shows was really on the wire.

A sign-in: `app` parses the request, `sign_in` begins a `Login` and completes it at the callback
(`mail_app` does both at once), `misbehaviour` runs a scenario instead if requested, `diagram` turns
the login into its steps, and the templates render them. `settings` say where it runs, `texts` are
its texts in each language, and `headers` are sent with every response. Everything is in memory
(`memory`), for at most thirty minutes; no secret is kept longer than the call needs it.

It is a tool for trials and demonstrations, not a service for the internet.
"""

from worksgate.conformance.simulator.app import create_simulator
from worksgate.conformance.simulator.settings import DemoPerson, PresentCode, SimulatorSettings

__all__ = ["DemoPerson", "PresentCode", "SimulatorSettings", "create_simulator"]
