"""`nervure stock`, continued: lots and the days on which they expire."""

from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, opened_hub, print_table
from nervure.cli.stock import ExpiresOption
from nervure.operations.lots import correct_lot, lots_of

app = typer.Typer()


@app.command("lots")
def stock_lots(
    sku: str,
    lot: Annotated[str, typer.Option(help="With --expires-on: the lot whose last day was written wrong.")] = "",
    expires_on: ExpiresOption = None,
    settings: SettingsOption = None,
) -> None:
    """Show what lies of each lot of an item, the first to expire first; or correct a lot's last day."""
    if bool(lot) != (expires_on is not None):
        fail("to correct a lot, name it with --lot and its last day with --expires-on")
    with opened_hub(settings) as hub:
        if expires_on is not None:
            correct_lot(hub, sku, lot, expires_on.date())
        found = lots_of(hub, sku)
    if not found:
        typer.echo(f"no units of {sku!r} lie anywhere")
        return
    print_table(
        ("lot", "expires on", "location", "owner", "condition", "on hand", "claimed"),
        [
            (one.lot or "-", one.expires_on or "-", one.location, one.owner, one.condition, one.on_hand, one.claimed)
            for one in found
        ],
    )
