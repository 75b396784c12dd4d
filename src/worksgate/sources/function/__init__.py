"""A function or class of the company's own as an identity source.

``source`` calls it in a thread, with a timeout, and checks what it returns.
"""
