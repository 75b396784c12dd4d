"""People who leave: at once, or at a planned time.

    operations   ``DepartureAdministration``: plans a departure, begins one, tries a step again
    steps        what ends when a person leaves, step by step
    runner       carries out what is due, in the background, in one process of all nodes

A departure is a row in ``directory.departures`` until all of its steps have succeeded, so that a
server goes on with it after a restart.
"""
