"""Many people at once, from a file: ``worksgate user import``.

    columns    what a row may hold, and what is wrong with one that may not
    importer   the plan of an import, and its transactions
    verbs      the import as an administrator's verb

A row that cannot be imported is refused with a sentence; the others go on.
"""
