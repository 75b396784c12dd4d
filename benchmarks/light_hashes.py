"""Worksgate with passwords that cost next to nothing, to see what a sign-in costs beside them.

python light_hashes.py COMMAND …
  is ``worksgate COMMAND …``, but for argon2id: one pass over 8 KiB instead of two over 19 MiB. The
  hash still has its thread and its place in the queue. No setting of the product can do this, and
  none should.
"""

from argon2 import PasswordHasher

from worksgate.credentials import password_hashing

password_hashing.ARGON2 = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

from worksgate.cli import main  # noqa: E402  # what it imports has the cheap one from the start

if __name__ == "__main__":
    main()
