"""The file of LINE WORKS' Developer Console as an argument: how it is read, in which encoding."""

import sys
from pathlib import Path

import click

from worksgate.cli.options import STANDARD_STREAM

ENCODINGS = ("utf-8", "utf-16", "cp932", "cp949", "gb18030")
"""As in ``external_keys.file_text``, without loading that; a test compares them."""

client_option = click.option(
    "--client", metavar="CLIENT", help="The client; needed if there are several."
)
encoding_option = click.option(
    "--encoding",
    type=click.Choice(ENCODINGS),
    help="The file's encoding: cp932 is Japanese, cp949 Korean, gb18030 Chinese. Detected by "
    "default.",
)
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print every finding as CSV.")


def read_at_most(file: Path, size: int) -> bytes:
    """A file or standard input; one byte more than ``size`` if it has more."""
    stream = sys.stdin.buffer if file == STANDARD_STREAM else file.open("rb")
    with stream:
        return stream.read(size + 1)
