"""A company's portal on FastAPI that signs its people in to LINE WORKS, under /sso.

The settings are made here, from the portal's own; ``authenticate`` asks the company's directory
without blocking the event loop. README.md in this folder says how to run it.
"""

import asyncio
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import worksgate

PORTAL_URL = os.environ.get("PORTAL_URL", "http://127.0.0.1:8080")
DATABASE_URL = os.environ.get("PORTAL_SSO_DATABASE_URL", "sqlite:///worksgate.db")


class CompanyDirectory:
    """Stands for the system that a company has already, and that is asked over the network."""

    async def sign_in(self, login: str, password: str) -> dict[str, str] | None:
        await asyncio.sleep(0.01)
        right = hmac.compare_digest(password.encode(), b"paper lantern by the river")
        if login.casefold() != "alice" or not right:
            return None
        return {"staff_id": "1001", "full_name": "Alice Example", "badge": "E-1001"}


directory = CompanyDirectory()


async def authenticate(username: str, password: str) -> dict[str, str] | None:
    """Say whose password this is. ``external_key`` is what LINE WORKS knows the person by."""
    found = await directory.sign_in(username, password)
    if found is None:
        return None
    return {
        "id": found["staff_id"],
        "username": username.casefold(),
        "name": found["full_name"],
        "external_key": found["badge"],
    }


sso = worksgate.create_app(
    worksgate.Settings(
        public_url=f"{PORTAL_URL}/sso",
        database_url=DATABASE_URL,
        company_name="Example Trading",
    ),
    authenticate=authenticate,
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Start Worksgate with the portal: a mounted application is not told of it otherwise."""
    await sso.start()
    yield
    await sso.close()


app = FastAPI(title="The portal of Example Trading", lifespan=lifespan)
app.mount("/sso", sso)


@app.get("/")
async def home() -> dict[str, str]:
    return {"portal": "Example Trading"}
