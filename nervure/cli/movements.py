"""`nervure stock`, continued: condition, owner, consumption and assembly."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, opened_hub, print_table
from nervure.cli.stock import ConditionOption, DocumentOption, ExpiresOption, LotOption, OwnerOption
from nervure.operations.movements import (
    Goods,
    assemble,
    change_condition,
    change_owner,
    consume,
    disassemble,
    used_of,
)
from schemas.base import MAX_UNITS, counted
from schemas.stock import OUR_OWN, Condition

app = typer.Typer()

UnitsArgument = Annotated[int, typer.Argument(min=1, max=MAX_UNITS)]
DayOption = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="A day, such as 2026-11-01; days are UTC.")]


def _say(*, done: bool) -> None:
    typer.echo("booked" if done else "was booked before")


@app.command("condition")
def stock_condition(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    units: UnitsArgument,
    to: Annotated[Condition, typer.Option(help="The condition that they are in now.")],
    document: DocumentOption,
    source: Annotated[Condition, typer.Option("--from", help="The condition that they were in.")] = Condition.SELLABLE,
    owner: OwnerOption = OUR_OWN,
    lot: LotOption = "",
    to_lot: Annotated[str | None, typer.Option(help="The lot that they turn out to be of.")] = None,
    expires_on: ExpiresOption = None,
    settings: SettingsOption = None,
) -> None:
    """Move units from one condition to another; what was promised of them is served elsewhere."""
    goods = Goods(sku, location, owner, source, lot)
    day = expires_on.date() if expires_on else None
    with opened_hub(settings) as hub:
        done = change_condition(hub, goods, units, to, document=document, to_lot=to_lot, expires_on=day)
    _say(done=done)


@app.command("owner")
def stock_owner(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    units: UnitsArgument,
    to: Annotated[str, typer.Option(help="Who owns them now; `us` are we.")],
    document: DocumentOption,
    source: Annotated[str, typer.Option("--from", help="Who owned them.")] = OUR_OWN,
    condition: ConditionOption = Condition.SELLABLE,
    lot: LotOption = "",
    settings: SettingsOption = None,
) -> None:
    """Move units from one owner to another: bought from a consignment, or given into one."""
    with opened_hub(settings) as hub:
        done = change_owner(hub, Goods(sku, location, source, condition, lot), units, to, document=document)
    _say(done=done)


@app.command("consume")
def stock_consume(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    units: UnitsArgument,
    document: DocumentOption,
    owner: OwnerOption = OUR_OWN,
    condition: ConditionOption = Condition.SELLABLE,
    lot: LotOption = "",
    settings: SettingsOption = None,
) -> None:
    """Book units that were used up, such as a supplier's on consignment."""
    with opened_hub(settings) as hub:
        done = consume(hub, Goods(sku, location, owner, condition, lot), units, document=document)
    _say(done=done)


@app.command("consumed")
def stock_consumed(
    owner: Annotated[str, typer.Option(help="Whose goods.")],
    since: DayOption,
    until: DayOption,
    settings: SettingsOption = None,
) -> None:
    """Show what was used of an owner's goods from one day up to, and without, another: for a consignment statement."""
    if until <= since:
        fail("--until must be a later day than --since: the day itself is not in it")
    with opened_hub(settings) as hub:
        found = used_of(hub, owner, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
    if not found:
        typer.echo(f"nothing of {owner!r} was used")
        return
    print_table(
        ("sku", "location", "lot", "how", "units"),
        [(one.sku, one.location, one.lot, one.kind.replace("_", " "), one.units) for one in found],
    )
    typer.echo(f"{counted(sum(one.units for one in found), 'unit')} in all")


@app.command("assemble")
def stock_assemble(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    units: UnitsArgument,
    document: DocumentOption,
    lot: LotOption = "",
    expires_on: ExpiresOption = None,
    settings: SettingsOption = None,
) -> None:
    """Make units of an item from the parts of its recipe, all or nothing."""
    day = expires_on.date() if expires_on else None
    with opened_hub(settings) as hub:
        done = assemble(hub, Goods(sku, location, lot=lot), units, document=document, expires_on=day)
    _say(done=done)


@app.command("disassemble")
def stock_disassemble(
    sku: str, location: str, units: UnitsArgument, document: DocumentOption, settings: SettingsOption = None
) -> None:
    """Take units of an item apart into the parts of its recipe."""
    with opened_hub(settings) as hub:
        done = disassemble(hub, Goods(sku, location), units, document=document)
    _say(done=done)
