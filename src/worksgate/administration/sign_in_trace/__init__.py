"""“Why can’t Tanaka-san get in?”: the records and the present state of a person, in sentences.

    operations     ``SignInTrace``: who is asked about, and everything below in that order
    question       what was asked: a person, a reference, an address or a time
    facts          what is known; ``reading`` reads it, bounded, and changes nothing
    outages        from when to when a source did not respond
    similar_names  names that somebody may have typed by mistake
    tries          records, grouped by sign-in, and where each one stopped
    gates          what must hold for a sign-in, as it is now
    next_steps     what to do next, with its command
    verdict        the one sentence, the next step, and the text to hand on
    sentences      the texts of all of these, in English; ``locale`` has the other languages
    localized      a text in a language
    report         a whole trace in a language
    undated        a reason in words without a time, for lists and counts

``tries``, ``gates`` and ``verdict`` are pure: facts in, values out. A verdict holds texts with
their values and no sentence, so that the console and the command line can each say it in the
reader's language and time zone. No secret is read (R-146), and the text to hand on contains no
address (R-147).
"""

from worksgate.administration.sign_in_trace.localized import Speaker
from worksgate.administration.sign_in_trace.operations import (
    Ambiguous,
    SignInParts,
    SignInTrace,
    Trace,
)

__all__ = ["Ambiguous", "SignInParts", "SignInTrace", "Speaker", "Trace"]
