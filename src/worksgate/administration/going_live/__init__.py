"""Going live: who of the members of LINE WORKS would get in, and who is in since APPLY.

    operations    ``GoingLive``: the members of LINE WORKS, rehearsals, the plan, the start
    members_file  reads the members from the file that the console of LINE WORKS gives
    examination   compares members and people; pure
    at_sources    people as their sources list them, whether they have signed in or not
    wording       names of findings, for the command line
    plan          the plan of the day; announcement: the mail to all
    live_view     who has got in since the start; one count for all who look

LINE WORKS is asked for its members and their keys if an administrator wants that and its API is set
up; no call of LINE WORKS waits for anything here: reads are bounded, and what is written is written
a few hundred rows at a time.
"""

from worksgate.administration.external_keys.faults import BadMembersFile
from worksgate.administration.going_live.at_sources import AskSources, AtSources
from worksgate.administration.going_live.examination import HINTS, STOPS, Finding
from worksgate.administration.going_live.members_file import Choices
from worksgate.administration.going_live.operations import GoingLive, MembersRead, Rehearsal

__all__ = [
    "HINTS",
    "STOPS",
    "AskSources",
    "AtSources",
    "BadMembersFile",
    "Choices",
    "Finding",
    "GoingLive",
    "MembersRead",
    "Rehearsal",
]
