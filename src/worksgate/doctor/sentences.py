"""What makes the sentences of findings, so that the console can say them in its languages.

``locale/babel.cfg`` says how to update the translations after a sentence has changed.
"""

from pathlib import Path
from typing import Final

from worksgate.catalogues import sentences_in

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"

said: Final = sentences_in(LOCALE_FOLDER)
"""``said("%(free)s GiB are free", free=3)``, in English."""
