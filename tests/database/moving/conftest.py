"""A furnished database for each test."""

from tests.furnished import furnished_bytes, source, target

__all__ = ["furnished_bytes", "source", "target"]
