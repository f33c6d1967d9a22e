"""`nervure orders move`: a part of an order is served from another place."""

import typer

from nervure.cli.common import SettingsOption, opened_hub
from nervure.operations.moving import move_fulfillment

app = typer.Typer()


@app.command("move")
def orders_move(fulfillment: int, location: str, settings: SettingsOption = None) -> None:
    """Give a fulfillment order to another location, if that has the units."""
    with opened_hub(settings) as hub:
        number, is_new = move_fulfillment(hub, fulfillment, location)
    typer.echo(f"fulfillment order {number} at {location}" + ("" if is_new else ", as before"))
