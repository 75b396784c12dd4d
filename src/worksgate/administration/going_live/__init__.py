"""Going live: who of the members of LINE WORKS would get in, and who not.

    members_file  reads the members from the file that the console of LINE WORKS gives
    examination   compares members and people; pure
"""
