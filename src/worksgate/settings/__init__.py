"""The settings of an installation. Imports nothing else of Worksgate.

    options           every option once: name, type, default, sentence, group, check
    field             an option as a dataclass field
    types             parses text into values
    checks            validation of single values
    contradictions    settings that are valid one by one but not together
    loading           ``worksgate.toml``, the environment and the command line
    reference         docs/settings.md, and the file that ``init`` writes
    source_tables     the ``[[source]]`` tables
    sources           the options of each type of identity source
    assumptions       what LINE WORKS' API leaves open, as ``line_works_assumptions`` has it
    addresses         the addresses of PostgreSQL, Valkey and a mail server
    master_key_text   how a master key is written down

Strict on purpose: an unknown key or an invalid value prevents the start, and the error says where
it is.
"""
