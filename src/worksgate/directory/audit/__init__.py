"""The audit log of the directory.

    writer             writes records in the background, durable before the response
    own_history        what people see of their own history
    sign_in_records    records of sign-ins, by person, address, time or ID
    sign_in_counts     sign-ins of a period, counted and a page at a time
    live_records       records as they come, for the live view of going live
    seals              seals of ranges of records, by which a later change is found
    seal_form          the digests of records and seals
    seal_verification  compares records with their seals

A record about a change is in the change's own transaction (``database.recording``), not here.
"""
