"""Valid addresses of PostgreSQL; a refusal never repeats the address."""

import pytest
from tests.postgres_server import shared_postgres

from worksgate.database.engines import driver_url
from worksgate.settings.addresses.postgres import PostgresAddress


@pytest.mark.parametrize(
    ("text", "dsn"),
    [
        ("postgresql://u:p@h:5432/db", "postgresql://u:p@h:5432/db?application_name=worksgate"),
        ("postgres://h/db", "postgres://h/db?application_name=worksgate"),
        ("postgresql://h/db?connect_timeout=3", "postgresql://h/db?application_name=worksgate"),
        ("postgresql://h/db?application_name=x", "postgresql://h/db?application_name=x"),
        (
            "postgresql://u@h/db?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgresql://u@h/db?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"
            "&application_name=worksgate",
        ),
        (
            "postgresql://[::1]:5432,h2:5433/db?target_session_attrs=read-write",
            "postgresql://[::1]:5432,h2:5433/db?target_session_attrs=read-write"
            "&application_name=worksgate",
        ),
    ],
)
def test_an_address_goes_to_the_driver_as_it_is(text: str, dsn: str) -> None:
    address = PostgresAddress.parse(text)
    assert address.dsn == dsn
    assert not address.pooled


def test_a_pooler_is_named_in_the_address() -> None:
    address = PostgresAddress.parse("postgresql://h/db?statement_cache_size=0")
    assert address.pooled
    assert "statement_cache_size" not in address.dsn


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mysql://u:s3cret@h/db", "must begin with postgresql"),
        ("postgresql://u:s3cret@h", "must name a database"),
        ("postgresql://u:s3cret@@h/db", "percent-encoded"),
        ("postgresql://u:s3cret#x@h/db", "percent-encoded"),
        ("postgresql://u:s3cret/x@h/db", "percent-encoded"),
        ("postgresql://u@h:s3cret/db", "host:port"),
        ("postgresql://u@[s3cret/db", "not a valid address"),
        ("postgresql://u@h/db?s3cret", "name=value"),
        ("postgresql://u@h/db?statement_cache_size=s3cret", "must be a number"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        PostgresAddress.parse(text)
    assert "s3cret" not in str(refusal.value)


def test_an_address_that_is_shown_shows_no_password() -> None:
    text = "postgresql://u:s3cret@h:5432/db"
    shown = [repr(PostgresAddress.parse(text)), repr(driver_url(text)), str(driver_url(text))]
    assert "s3cret" not in "".join(shown)


def test_two_addresses_of_one_database_look_the_same_to_sqlalchemy() -> None:
    one, other = (driver_url(f"{scheme}://u@h/db") for scheme in ("postgres", "postgresql"))
    assert one == other
    assert (one.host, one.database, one.username) == ("h", "db", "u")


@pytest.mark.programs
async def test_a_host_that_no_server_is_on_is_passed_over() -> None:
    port = shared_postgres().port
    address = PostgresAddress.parse(f"postgresql://worksgate@127.0.0.1:1,127.0.0.1:{port}/migrated")
    connection = await address.connect({}, within=5.0, command_timeout=5.0)
    assert await connection.fetchval("SHOW application_name") == "worksgate"
    await connection.close()
