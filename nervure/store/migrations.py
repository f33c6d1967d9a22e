"""Bringing a database to the form that this version of the hub expects."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from nervure.store import tables
from nervure.store.database import Database, DatabaseError

METADATA = tables.of(tables.ItemRow).metadata
SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(database: Database) -> None:
    """Runs every migration that the database has not seen. Safe to run by several processes at once.

    Raises:
        DatabaseError: the database cannot be reached.
    """
    with reached(database) as connection:
        if not database.is_postgresql:
            _upgrade_sqlite(connection)
            return
        connection.execute(sa.text("SELECT pg_advisory_lock(4711)"))
        connection.commit()
        try:
            command.upgrade(_config(connection), "head")
            connection.commit()
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(4711)"))
            connection.commit()


def _upgrade_sqlite(connection: sa.Connection) -> None:
    """SQLite changes a table by writing it anew: what refers to it must not stand in the way, and is checked after."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        with connection.begin():
            command.upgrade(_config(connection), "head")
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if broken is not None:
                raise DatabaseError(
                    f"the database cannot be upgraded: a row of {broken[0]} refers to one that is not there"
                )
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


@contextmanager
def reached(database: Database) -> Iterator[sa.Connection]:
    """A connection, or one sentence about why there is none."""
    try:
        connection = database.engine.connect()
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        if database.path is not None:
            raise DatabaseError(
                f"the database {database.path} cannot be opened: is its folder there, and is it an SQLite file?"
            ) from error
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=True)
        raise DatabaseError(f"the database {url} cannot be reached: is it running, and is the URL right?") from error
    with connection:
        yield connection


def differences(database: Database) -> list[str]:
    """What the migrated database lacks or has beyond the tables of the code; empty: they agree."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(one) for one in compare_metadata(context, METADATA)]


def write_revision(database: Database, message: str) -> None:
    """Writes a new migration from the difference between the database and the tables of the code."""
    with database.engine.connect() as connection:
        command.revision(_config(connection), message=message, autogenerate=True)


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = METADATA
    return config
