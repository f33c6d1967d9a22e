"""`nervure db`: the database itself."""

import tempfile
from pathlib import Path

import typer

from nervure.cli.common import SettingsOption, fail, group, load_settings
from nervure.store.database import Database, open_database
from nervure.store.migrations import differences, upgrade

app = group("The hub's database.")


@app.command("upgrade")
def db_upgrade(settings: SettingsOption = None) -> None:
    """Bring the database to this version's form."""
    database = open_database(load_settings(settings).hub.database)
    upgrade(database)
    typer.echo("the database is up to date")


@app.command("check")
def db_check() -> None:
    """Check that the migrations and the tables in the code agree."""
    with tempfile.TemporaryDirectory(prefix="nervure-") as folder:
        database: Database = open_database(f"sqlite:///{Path(folder) / 'check.db'}")
        upgrade(database)
        found = differences(database)
        database.close()
    if found:
        fail(f"a migration is missing: {'; '.join(found)}")
    typer.echo("migrations and tables agree")
