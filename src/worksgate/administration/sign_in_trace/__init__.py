"""“Why can’t Tanaka-san get in?”: the records and the present state of a person, in sentences.

    question     what was asked: a person, a reference, an address or a time
    facts        what is known
    tries        records, grouped by sign-in, and where each one stopped
    gates        what must hold for a sign-in, as it is now
    next_steps   what to do next, with its command
    verdict      the one sentence, the next step, and the text to hand on
    wording      the texts of all of these, in English; ``locale`` has the other languages
    say          a text in a language

All of it is pure: facts in, values out. A verdict holds texts with their values and no sentence,
so that each reader gets it in their language and time zone. The text to hand on contains no
address (R-147).
"""
