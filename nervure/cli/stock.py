"""`nervure stock`: what is where, and what moves it."""

from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table
from nervure.inventory.purchases import Receipt
from nervure.operations.purchases import receive
from nervure.operations.staff import adjust, book_receipt
from nervure.store.reports import ReportStore
from schemas.base import MAX_UNITS
from schemas.stock import AdjustmentReason, Condition

app = group("What is where.")


@app.command("show")
def stock_show(channel: str, sku: str, settings: SettingsOption = None) -> None:
    """Show what each stock point of a channel may offer of a sku now."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).availability(channel, sku)
    if found is None:
        fail(f"sku {sku!r} is not listed on channel {channel!r}")
    print_table(("stock point", "units"), list(found.items()))


@app.command("receive")
def stock_receive(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    units: Annotated[int, typer.Argument(min=1, max=MAX_UNITS)],
    document: Annotated[str, typer.Option(help="What it came with; the same document again changes nothing.")],
    purchase: Annotated[str | None, typer.Option(help="The purchase that it counts against.")] = None,
    condition: Annotated[Condition, typer.Option(help="In which condition it came.")] = Condition.SELLABLE,
    lot: Annotated[str, typer.Option(help="The production batch.")] = "",
    settings: SettingsOption = None,
) -> None:
    """Book goods that came in."""
    receipt = Receipt(document, sku, location, units, condition, lot)
    with opened_hub(settings) as hub:
        if purchase is None:
            typer.echo("booked" if book_receipt(hub, receipt) else "was booked before")
            return
        counted = receive(hub, receipt, purchase)
    if counted is None:
        typer.echo("was booked before")
        return
    over = f", {counted.over} more than expected" if counted.over else ""
    typer.echo(f"booked{over}: {counted.line.units_received} of {counted.line.units_expected} have come in")


@app.command("adjust", context_settings={"ignore_unknown_options": True})
def stock_adjust(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    units: Annotated[int, typer.Argument(help="Signed: what is missing is negative.", min=-MAX_UNITS, max=MAX_UNITS)],
    reason: AdjustmentReason,
    document: Annotated[str, typer.Option(help="Why; the same document again changes nothing.")],
    settings: SettingsOption = None,
) -> None:
    """Book a difference with its reason."""
    if units == 0:
        fail("0 units are no difference")
    with opened_hub(settings) as hub:
        done = adjust(hub, sku, location, units, reason=reason, document=document)
    typer.echo("booked" if done else "was booked before")
