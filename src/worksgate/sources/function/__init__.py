"""A function or class of the company's own as an identity source.

``source`` calls it in a thread, with a timeout, and validates its result.
"""
