"""Bulk import of people from a file: ``worksgate user import``.

    files        the rows of a file
    columns      validation of rows
    importer     the plan of an import, and its transactions
    operations   the import of all rows, a batch at a time

A row that cannot be imported is refused with a sentence; the others go on.
"""
