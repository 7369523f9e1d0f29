"""Reasons why a database cannot be reached, from libpq's texts."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from psycopg import AsyncConnection, Error, OperationalError

from domain.deployment.findings import Away
from domain.errors import InvalidRequestError, SojournError, UnavailableError
from store.database import CONNECTION_TIMEOUT, describe_error

# Texts of libpq or the server, in English, and their meaning. A server with another language counts as away.
_REFUSALS: Final = (
    (
        re.compile('password authentication failed|no password supplied|role "[^"]*" does not exist'),
        "the user or password is wrong",
        "correct the user and password in SOJOURN_DATABASE_URL, with %40 for an `@` and %2F for a `/`",
    ),
    (
        re.compile('database "[^"]*" does not exist'),
        "there is no such database",
        "create it, or correct its name in SOJOURN_DATABASE_URL",
    ),
    (
        re.compile(r"no pg_hba\.conf entry|does not support SSL|certificate"),
        "it does not permit this connection",
        "correct sslmode in SOJOURN_DATABASE_URL, or permit this machine, user and database in pg_hba.conf",
    ),
)


async def find_why_away(url: str) -> Away | None:
    """Try to connect; return the reason of a failure, with hosts and users as detail."""
    try:
        await (await AsyncConnection.connect(url, connect_timeout=int(CONNECTION_TIMEOUT) + 1)).close()
    except Error as error:
        return describe_failure(error)
    return None


def describe_failure(error: Error) -> Away:
    """Describe a failed attempt: a refusal of the settings, or no answer."""
    detail = describe_error(error)
    for said, reason, remedy in _REFUSALS:
        if said.search(detail):
            return Away(reason, remedy, detail=detail, is_refusal=True)
    return Away("there is no connection", detail=detail)


def as_error(away: Away) -> SojournError:
    """Return the error of a command whose database is away."""
    if away.is_refusal:
        return InvalidRequestError(f"the database refuses us: {away.reason} ({away.detail}); {away.remedy}")
    return UnavailableError(f"the database does not answer: {away.detail}")


@asynccontextmanager
async def explaining_failures(url: str) -> AsyncIterator[None]:
    """Raise InvalidRequestError or UnavailableError if the database fails."""
    try:
        yield
    except OperationalError as error:
        # A pool says only that it has waited.
        raise as_error(await find_why_away(url) or describe_failure(error)) from error
