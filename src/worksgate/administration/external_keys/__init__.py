"""External keys at LINE WORKS, by its own file or by its API.

**By the file**, ``worksgate keys fill`` and ``worksgate keys verify``: the Developer Console gives
``ExternalKey_member.csv`` and takes it back. It is filled without changing another byte, and read
again afterwards, as proof that LINE WORKS has the keys.

    console_file   the file: its members, and the same file with other keys
    comparison     members and people here compared; who gets which key
    wording        names of findings, and what to do, for the command line
    spreadsheets   keys that Excel would spoil
    holders        people here, as far as their keys are concerned

These also read the file for a rehearsal (``going_live``):

    file_text      encodings: bytes become text, and the same bytes again
    csv_fields     the fields of a CSV file, with their places
    headers        what columns are called
    accounts       which member a person here is
    faults         why a file cannot be read

None of these has a database or asks LINE WORKS.

**By the API**, ``worksgate keys sync`` and ``worksgate keys undo``:

    sync           ``KeySync``: one run, from reading both sides to reading again
    plan           which keys to write; pure
    findings       what keeps somebody from the right key
    writing        batches, and the search for the bad one
    undo           the undo file, written before the first call
    run_state      which run is unfinished
"""
