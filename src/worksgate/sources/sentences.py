"""What makes the sentences of a source about itself, for an administrator who tests it.

``locale/babel.cfg`` says how to update the translations after a sentence has changed.
"""

from pathlib import Path
from typing import Final

from worksgate.catalogues import sentences_in

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"

said: Final = sentences_in(LOCALE_FOLDER)
"""``said("found %(entry)s", entry=dn)``, in English."""
