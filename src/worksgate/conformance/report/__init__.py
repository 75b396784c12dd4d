"""The report of a check, for a terminal, a program, a CI system, and for a customer.

Owns the words: every text that is shown, in English, Japanese and Korean. Title and reason of a
check are in the code in English, everything else in `locale/`. It decides nothing: what passes is
`conformance/checks`' matter, and what a request may show has been redacted there.

    summary        the results as a whole, and the exit code
    texts          the catalogue
    plain_text     lines for a terminal; also the plan, before anything is sent
    json_document  for programs
    junit          for CI systems
    html_page      one file without anything from elsewhere, to hand over or to print
    reference      the table of all checks in `docs/check.md`
"""
