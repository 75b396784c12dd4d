"""The settings of the built-in directory as an identity source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from worksgate.settings.field import option
from worksgate.settings.sources.common import BUILT_IN, SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySettings(SourceSettings):
    """The built-in directory."""

    type: ClassVar[str] = BUILT_IN
    about: ClassVar[str] = (
        "The people whom `worksgate user` looks after. Without a table, too, the built-in "
        "directory is asked, and first (see `built_in_directory`); a table gives it its place "
        "among the others, or domains."
    )
    example: ClassVar[Mapping[str, object]] = {}

    name: str = option(BUILT_IN, "Always directory.")
