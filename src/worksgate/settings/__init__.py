"""The settings of an installation. Nothing else of Worksgate is imported here.

    options           every option once: name, type, default, sentence, group, check
    field             an option as a dataclass field
    types             texts become values
    checks            what an option may hold
    contradictions    what is wrong though each value is right
    loading           ``worksgate.toml``, the environment and the command line
    reference         docs/settings.md, and the file that ``init`` writes
    source_tables     the ``[[source]]`` tables
    sources           the options of each type of identity source
    addresses         the addresses of PostgreSQL, Valkey and a mail server
    master_key_text   how a master key is written down

Nothing is guessed: an unknown key or a wrong value refuses the start, with its place.
"""
