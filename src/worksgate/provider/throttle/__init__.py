"""How failed sign-ins delay the next one, without a way to lock somebody out.

Three counters stand between a guess and the hash, each counted before the hash runs (R-78):

* one for the account from this network, or from this browser if it has signed in as this person
  before (a device cookie): ``free`` attempts, then one after each delay, and the delay doubles.
  An attack from elsewhere uses up counters of its own (R-79);
* one for the account from everywhere that it has not signed in from: beyond ``strangers``
  failures in a row only known browsers and networks may go on, until the window ends; what is
  refused by it leaves no counter;
* one for the network, against somebody there who tries many accounts.

An account is a typed name, and also the person whom a source finds by that name, so that somebody
with several names has one guessing budget. Where a name may be of several people, it is counted
for each source as well: who signs in as the one sets nothing back of the other. A success sets both
back. Unknown accounts are counted like known ones, so that an answer reveals nothing. Only a
definite answer counts: ``attempt`` gives back what an outage interrupts.

An administrator may allow one more attempt from a network, for ``ALLOWED_FOR`` seconds (R-194). It
is used by whoever would be refused there first, it counts like any other, and no counter is set
back: what was waiting goes on waiting.

What decides is read together, and what an attempt counts is one commit, durable before the hash
runs; so is what its answer demands, and what a sign-in demands is part of the commit with its code.
Only a gate that closes takes one more.

Names can be made up and networks are plenty, so strangers may begin ``COUNTERS_A_DAY`` counters a
day, all together. Beyond that, what has no counter yet shares one of ``SHARED`` with others. A
shared counter stops guesses earlier and never later than one's own: nobody can set back what others
have failed, and nothing that counts is ever dropped to make room. A person whom a source has found,
and places from which somebody has signed in before, always have counters of their own.

    throttle    ``Throttle``: one purpose, such as passwords or second factors
    policy      how many failures are free, how long the delays are, and the refusal
    attempt     what is counted: an account and where the attempt comes from; names of counters
    counters    the counters in the store, and the shared ones
    devices     IDs of browsers in which somebody has signed in
    admission   one attempt that was let through, and its result
"""

from worksgate.provider.throttle.admission import Admission
from worksgate.provider.throttle.attempt import Attempt
from worksgate.provider.throttle.counters import (
    COUNTERS_A_DAY,
    COUNTERS_PER_CHECK,
    PORTION,
    SHARED,
)
from worksgate.provider.throttle.devices import is_device_of, new_device_id
from worksgate.provider.throttle.policy import ThrottlePolicy, TooManyAttempts
from worksgate.provider.throttle.throttle import Throttle

__all__ = [
    "COUNTERS_A_DAY",
    "COUNTERS_PER_CHECK",
    "PORTION",
    "SHARED",
    "Admission",
    "Attempt",
    "Throttle",
    "ThrottlePolicy",
    "TooManyAttempts",
    "is_device_of",
    "new_device_id",
]
