"""The demonstration: Worksgate, the simulator of LINE WORKS, and another company's OpenID provider.

It owns what there is to be shown, and the servers that show it, in one process. They listen on
loopback alone, with a database of their own. Nothing of it is a default of the real server
(R-103), and nothing of it is imported by that.

    run               what ``worksgate demo`` does
    people            who can be signed in as
    installation      the settings, clients and people of the demonstrated Worksgate
    openid_provider   "Partner", a provider of two people, who need no password
    servers           two servers in one process
"""

from worksgate.demonstration.people import COLLEAGUES, GUESTS, PASSWORD, Colleague, Guest
from worksgate.demonstration.servers import run

__all__ = ["COLLEAGUES", "GUESTS", "PASSWORD", "Colleague", "Guest", "run"]
