"""Which changes to the code does no test notice: mutation testing.

    operators   what is changed: one small change of the syntax tree at a time
    coverage    which tests run a line
    collected   mutants in forks of a process that has collected the tests: most of them
    trial       one mutant in a process of its own: what runs at import
    __main__    the command: choose, try, report

``make mutants ARGS="src/worksgate/provider/sessions.py"`` tries a sample of the mutants of a file
(all of them with ``--all``), chosen by ``--seed``. The tests are the quick ones (``make quick``),
unless ``--tests`` names others. A mutant that survives for a good reason is listed with it in
``explained.toml``, and counts as killed.

Tools that change whole copies of a project could not be used: they skip decorated functions, which
most of the directory's are, and start the tests from nothing for each mutant.
"""
