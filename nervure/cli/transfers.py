"""`nervure stock transfer`, `arrive` and `cancel-transfer`: from one place to another."""

from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, opened_hub
from nervure.cli.purchases import DayOption, as_day
from nervure.inventory.transfers import Choice
from nervure.operations.transfers import Arrival, Dispatch, arrive, cancel, dispatch
from schemas.base import MAX_UNITS
from schemas.stock import Condition

app = typer.Typer()

OwnerOption = Annotated[str | None, typer.Option(help="Only units of this owner.")]
LotOption = Annotated[str | None, typer.Option(help="Only units of this lot.")]


@app.command("transfer")
def stock_transfer(  # noqa: PLR0917 - a command's arguments are positional
    document: Annotated[str, typer.Argument(help="The name of the transfer.")],
    sku: str,
    origin: str,
    destination: str,
    units: Annotated[int, typer.Argument(min=1, max=MAX_UNITS)],
    on: DayOption = None,
    condition: Annotated[Condition, typer.Option(help="Which units leave.")] = Condition.SELLABLE,
    owner: OwnerOption = None,
    lot: LotOption = None,
    force: Annotated[bool, typer.Option("--force", help="They have left, whatever was promised.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Book that units have left for another location; the same line again changes nothing."""
    order = Dispatch(document, sku, origin, destination, units, Choice(condition, owner, lot), as_day(on))
    with opened_hub(settings) as hub:
        done = dispatch(hub, order, force=force)
    typer.echo(f"{units} are in transit" if done else "was sent before")


@app.command("arrive")
def stock_arrive(  # noqa: PLR0917 - a command's arguments are positional
    transfer: Annotated[str, typer.Argument(help="The name of the transfer.")],
    sku: Annotated[str | None, typer.Argument(help="Default: all of the transfer.")] = None,
    units: Annotated[int | None, typer.Argument(min=1, max=MAX_UNITS, help="Default: all under way.")] = None,
    document: Annotated[str | None, typer.Option(help="Names the arrival; the same again changes nothing.")] = None,
    condition: Annotated[Condition | None, typer.Option(help="Which units arrived.")] = None,
    owner: OwnerOption = None,
    lot: LotOption = None,
    found: Annotated[bool, typer.Option("--found", help="More arrived than had left.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="What does not arrive now never will.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Book that units of a transfer have arrived: all, some, or none any more."""
    if condition is None and (owner is not None or lot is not None):
        condition = Condition.SELLABLE
    choice = None if condition is None else Choice(condition, owner, lot)
    if units is None and found:
        fail("--found needs SKU UNITS: how many have arrived in all")
    with opened_hub(settings) as hub:
        done = arrive(hub, Arrival(transfer, sku, units, document, choice), found=found, lost=lost)
    if done is None:
        typer.echo("was booked before")
        return
    more = [f"{count} {word}" for count, word in ((done.found, "found"), (done.lost, "lost")) if count]
    typer.echo(", ".join([f"{done.units} arrived", *more]))


@app.command("cancel-transfer")
def stock_cancel_transfer(transfer: str, settings: SettingsOption = None) -> None:
    """Book that all units still in transit came back to where they left."""
    with opened_hub(settings) as hub:
        units = cancel(hub, transfer)
    typer.echo(f"{units} came back" if units else "nothing of it is in transit")
