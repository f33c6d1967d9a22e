"""`nervure db`: the database itself."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, group, load_settings, opened_hub, require_channel, suppliers_answer
from nervure.operations.restores import Recovery, awaited, declare_restored, recovery, settle_suppliers, stop_hearing
from nervure.store.database import Database, open_database
from nervure.store.migrations import differences, upgrade
from nervure.store.restores import Hearing
from schemas.base import counted

app = group("The hub's database: upgrade it, check it, come back from a backup.")


@app.command("upgrade")
def db_upgrade(settings: SettingsOption = None) -> None:
    """Bring the database to this version's form."""
    database = open_database(load_settings(settings).hub.database)
    upgrade(database)
    typer.echo("the database is up to date")


@app.command("restored")
def db_restored(settings: SettingsOption = None) -> None:
    """Say that the database was restored from a backup: nothing is sent before everything was heard again."""
    with opened_hub(settings) as hub:
        _show(declare_restored(hub))


@app.command("recovery")
def db_recovery(
    *,
    send_to_suppliers: Annotated[
        bool, typer.Option("--send-to-suppliers", help="Suppliers do not have the orders that wait: send them.")
    ] = False,
    suppliers_have_them: Annotated[
        bool, typer.Option("--suppliers-have-them", help="Suppliers have the orders that wait: send none again.")
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="Channel that cannot be heard: numbers are sent without it.")
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Show how far the hub is after a restore, what it heard again and what was lost."""
    have_them = suppliers_answer(have_them=suppliers_have_them, send=send_to_suppliers)
    with opened_hub(settings) as hub:
        for channel in without or ():
            require_channel(hub, channel)
            typer.echo(f"{channel}: {'not waited for' if stop_hearing(hub, channel) else 'it was heard'}")
        if have_them is not None:
            count = settle_suppliers(hub, have_them=have_them)
            orders = counted(count, "order to suppliers is", "orders to suppliers are")
            typer.echo(f"{orders} {'not sent again' if have_them else 'sent'}")
        found, hearings = recovery(hub), awaited(hub)
    if found is None:
        for hearing in hearings:
            typer.echo(_missing(hearing))
        typer.echo("the database was never restored")
        return
    _show(found)


def _show(found: Recovery) -> None:
    restore = found.restore
    typer.echo(
        f"restored at {restore.restored_at:%Y-%m-%d %H:%M:%S} UTC ({restore.noticed_by});"
        f" the backup knows nothing after {restore.known_until:%Y-%m-%d %H:%M:%S}"
    )
    for hearing in found.hearings:
        typer.echo(_missing(hearing))
    if not found.hearings:
        typer.echo("every channel was heard again: numbers are sent")
    short = [(channel, order, units) for channel, order, units in found.heard_again if units]
    typer.echo(
        f"{counted(len(found.heard_again), 'order was', 'orders were')} heard again;"
        f" {counted(len(short), 'lacks', 'lack')} units now"
    )
    for channel, order, units in short:
        typer.echo(f"{channel}, order {order}: {counted(units, 'unit')} short")
    for reference in found.ended_reservations:
        typer.echo(f"reservation {reference}: ended meanwhile, and may have become an order or have been renewed")
    typer.echo("reservations that were made since the backup are lost: their carts must ask again")
    for number, supplier, order in found.at_suppliers:
        typer.echo(f"{supplier}, fulfillment order {number} (order {order}): may have been sent there before; it waits")


def _missing(hearing: Hearing) -> str:
    missing = {"orders": hearing.orders_are_heard, "numbers": hearing.levels_are_heard}
    left = " and ".join(name for name, is_heard in missing.items() if not is_heard)
    return f"{hearing.channel}: waits for its {left or 'documents to be handled'}"


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
