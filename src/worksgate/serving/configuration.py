"""How uvicorn is configured, and what its protocol needs to know besides."""

from typing import Any

import uvicorn

from worksgate.serving.admission import Admission


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, with what the process takes on."""

    def __init__(self, app: Any, admission: Admission, **options: Any) -> None:
        super().__init__(app, **options)
        self.admission = admission
