"""Bulk import of people from a file: ``worksgate user import``.

    files      the rows of a file
    columns    validation of rows
    importer   the plan of an import, and its transactions
    verbs      the import as an operation of the administration

A row that cannot be imported is refused with a sentence; the others go on.
"""
