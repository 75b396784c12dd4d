"""A terminal: most findings are examined as the command prints them."""

from tests.cli.conftest import terminal, terminal_without_database

__all__ = ["terminal", "terminal_without_database"]
