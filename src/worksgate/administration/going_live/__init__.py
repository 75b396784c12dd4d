"""Going live: who of the members of LINE WORKS would get in, and who not.

    verbs         ``GoingLive``: the members of LINE WORKS, and rehearsals
    members_file  reads the members from the file that the console of LINE WORKS gives
    examination   compares members and people; pure
    wording       names of findings, for the command line

Nothing here asks LINE WORKS, and no call of LINE WORKS waits for it: what is written is written a
few hundred rows at a time.
"""

from worksgate.administration.going_live.examination import HINTS, STOPS, Finding
from worksgate.administration.going_live.members_file import BadMembersFile, Choices
from worksgate.administration.going_live.verbs import GoingLive, MembersRead, Rehearsal

__all__ = [
    "HINTS",
    "STOPS",
    "BadMembersFile",
    "Choices",
    "Finding",
    "GoingLive",
    "MembersRead",
    "Rehearsal",
]
