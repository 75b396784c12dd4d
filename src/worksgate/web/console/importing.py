"""New people: one in a form, or many in a CSV file, checked first and then imported by a job."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from worksgate.administration.errors import Refused
from worksgate.administration.jobs.imports import MOST_ROWS
from worksgate.administration.people_import.columns import COLUMNS, SECRETS, ImportOutcome
from worksgate.administration.people_import.files import (
    READABLE,
    BadFile,
    UnknownEncoding,
    read_file,
)
from worksgate.catalogues import sentence_of
from worksgate.database import Conflict
from worksgate.directory.jobs import JobKind, JobState
from worksgate.web.console.visit import Visit

FILE_BYTES: Final = 4 * 1024 * 1024
PREVIEWED: Final = 20
"""Rows that are shown before an import is begun."""
ONE: Final = ("name", "reading", "username", "email", "external_key")
"""The fields of one person."""
FINDINGS: Final = 100
"""Refused rows that are shown; all of them are in the result."""


async def show(visit: Visit) -> Response:
    """The form for a file, or what an import would do."""
    if "id" not in visit.query:
        return _form(visit)
    job = await visit.administration.jobs.find(visit.query["id"])
    if job.kind is not JobKind.IMPORT or job.state is not JobState.DRAFT:
        return visit.to("/job", id=job.id)
    counts = job.arguments["counts"]
    return visit.page(
        "import_preview.html",
        job=job,
        rows=await visit.administration.import_jobs.first(job, PREVIEWED),
        findings=await visit.administration.jobs.wrong(job, FINDINGS),
        most=FINDINGS,
        counts={each.value: counts.get(each.value, 0) for each in ImportOutcome},
        will_change=job.total - job.failed,
    )


async def add(visit: Visit) -> Response:
    """Add one person; nobody knows their password: a reset link lets them choose one."""
    typed = {each: visit.form.get(each, "").strip() for each in ONE}
    try:
        added = await visit.administration.users.add(
            typed["username"],
            name=typed["name"],
            reading=typed["reading"],
            email=typed["email"],
            external_key=typed["external_key"],
        )
    except (Refused, Conflict) as problem:
        return _form(visit, problem="one", detail=sentence_of(problem), typed=typed)
    return visit.to("/person", id=added.account.person.subject_id, done="added")


async def check(visit: Visit) -> Response:
    """Check a file; nobody is changed."""
    if not visit.file:
        return _form(visit, problem="none")
    encoding = visit.form.get("encoding", "")
    try:
        read = await asyncio.to_thread(  # it takes long enough to hold a sign-in up
            read_file,
            "the file",
            visit.file,
            encoding if encoding in READABLE else None,
            most_rows=MOST_ROWS,
        )
    except UnknownEncoding as error:
        return _form(visit, problem="encoding", detail=sentence_of(error))
    except BadFile as error:
        return _form(visit, problem="file", detail=sentence_of(error))
    job = await visit.administration.import_jobs.check(read.rows, update="update" in visit.form)
    return visit.to("/people/import", id=job.id)


async def begin(visit: Visit) -> Response:
    """Begin an import that was checked."""
    job = await visit.administration.import_jobs.begin(visit.form.get("id", ""))
    return visit.to("/job", id=job.id)


def _form(
    visit: Visit, *, problem: str = "", detail: str = "", typed: Mapping[str, str] | None = None
) -> Response:
    return visit.page(
        "import.html",
        400 if problem else 200,
        problem=problem,
        detail=detail,
        typed=typed or dict.fromkeys(ONE, ""),
        columns=[each for each in COLUMNS if each not in SECRETS],
        encodings=READABLE,
        encoding=visit.form.get("encoding", ""),
        most_rows=MOST_ROWS,
        most_megabytes=FILE_BYTES // 1_048_576,
    )
