"""django-oauth-toolkit as the benchmarks meet it: one client, codes and tokens issued beforehand.

    provider.py prepare SECRET  make the tables, the client, its secret hashed or in_clear, a person
    provider.py codes FILE      issue the codes in the file, one a line
    provider.py tokens FILE     the same for access tokens
    gunicorn provider:application

SQLite is set up to be as durable as Worksgate's, and to wait for a lock in place of failing.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

CALLBACK = "https://auth.worksmobile.com/cb"

settings.configure(
    SECRET_KEY="benchmark",
    DEBUG=False,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "oauth2_provider",
    ],
    MIDDLEWARE=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCHMARK_DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
            },
        }
    },
    OAUTH2_PROVIDER={
        "PKCE_REQUIRED": False,
        "OIDC_ENABLED": True,
        "SCOPES": {"openid": "OpenID Connect", "read": "Read"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": 86_400,
    },
)
django.setup()

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
application = get_wsgi_application()


def prepare(secret: str) -> None:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    application_model = get_application_model()
    application_model.objects.create(
        client_id="benchmark",
        client_secret="benchmark-secret",
        hash_client_secret=secret == "hashed",
        client_type=application_model.CLIENT_CONFIDENTIAL,
        authorization_grant_type=application_model.GRANT_AUTHORIZATION_CODE,
        redirect_uris=CALLBACK,
        skip_authorization=True,
    )
    get_user_model().objects.create(username="user")


def issue(model: type, values: list[str], value_field: str, scope: str, **more: object) -> None:
    from django.contrib.auth import get_user_model
    from django.utils.timezone import now
    from oauth2_provider.models import get_application_model

    common = {
        "user": get_user_model().objects.get(),
        "application": get_application_model().objects.get(),
        "expires": now() + timedelta(days=1),
        "scope": scope,
        **more,
    }
    rows = [model(**{value_field: value}, **common) for value in values]
    model.objects.bulk_create(rows, batch_size=1_000)  # type: ignore[attr-defined]  # a model


def main(what: str, file: str = "") -> None:
    from oauth2_provider.models import get_access_token_model, get_grant_model

    if what == "prepare":
        prepare(file)
        return
    values = Path(file).read_text().split()
    if what == "codes":
        issue(get_grant_model(), values, "code", "read", redirect_uri=CALLBACK)
    else:
        issue(get_access_token_model(), values, "token", "openid")


if __name__ == "__main__":
    main(*sys.argv[1:])
