"""Why something was refused, in the words of a trace but without a time: for lists and counts."""

from collections.abc import Mapping
from typing import Final

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.localized import texts_in
from worksgate.administration.sign_in_trace.tries import Ending
from worksgate.audit import Event, Reason

LEADS: Final[Mapping[str, str]] = {"en": "At %(time)s ", "ja": "%(time)s、", "ko": "%(time)s에 "}
"""How a dated sentence begins in each language."""

_LET_IN: Final[Mapping[Event, str]] = {
    Event.IMAP_SUCCEEDED: sentences.ENDINGS[Ending.MAIL_DONE].sentence,
}


def reason_in_words(event: Event, reason: Reason | None, language: str) -> str:
    """What a trace says of such a record; empty if it would only quote the record itself."""
    sentence = _LET_IN.get(event)
    if sentence is None and reason is not None:
        saying = sentences.SAYINGS.get(event, {}).get(reason)
        sentence = None if saying is None else saying.sentence
    if sentence is None:
        return ""
    texts = texts_in(language)
    lead = LEADS.get(language, LEADS["en"])
    said = texts.gettext(sentence).removeprefix(lead)
    # The kind of key depends on the client of each single record.
    said = said.replace("%(kind)s", texts.gettext(sentences.GATES["user_key"]).lower())
    return said[:1].upper() + said[1:]
