"""`nervure stock expect` and `close-purchase`: what is to come in."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, opened_hub
from nervure.inventory.purchases import Said
from nervure.operations.purchases import ExpectedLine, close, expect, read_expected
from schemas.base import MAX_UNITS

app = typer.Typer()

DayOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which it is expected.")]


def as_day(moment: datetime | None) -> date | None:
    """The day that a person wrote."""
    return None if moment is None else moment.date()


@app.command("expect")
def stock_expect(  # noqa: PLR0917 - a command's arguments are positional
    document: Annotated[str, typer.Argument(help="The name of the purchase.")],
    sku: Annotated[str | None, typer.Argument()] = None,
    location: Annotated[str | None, typer.Argument()] = None,
    units: Annotated[int | None, typer.Argument(min=1, max=MAX_UNITS)] = None,
    on: DayOption = None,
    supplier: Annotated[str | None, typer.Option(help="Who it is bought from.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="CSV with sku, location, units and, if days differ, expected_on.")
    ] = None,
    revise: Annotated[bool, typer.Option("--revise", help="Change what was said before.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Say what a purchase brings, when and to where; the same line again changes nothing."""
    if file is not None:
        if sku is not None:
            fail("name one line, or a file of lines, not both")
        lines = read_expected(file, as_day(on))
    elif sku is None or location is None or units is None or on is None:
        fail("one line needs SKU LOCATION UNITS and --on DATE; many lines need --file")
    else:
        lines = [ExpectedLine(sku, location, units, on.date())]
    with opened_hub(settings) as hub:
        said = expect(hub, document, lines, supplier=supplier, revise=revise)
    words = {Said.NEW: "expected", Said.REVISED: "changed", Said.KNOWN: "expected before"}
    typer.echo(", ".join(f"{said[what]} {word}" for what, word in words.items() if said[what]))


@app.command("close-purchase")
def stock_close_purchase(document: str, settings: SettingsOption = None) -> None:
    """End a purchase: what has not come in is not expected any more."""
    with opened_hub(settings) as hub:
        missing = close(hub, document)
    if missing is None:
        typer.echo("was closed before")
        return
    for line in missing:
        typer.echo(f"{line.units} of {line.sku} at {line.location} will not come")
    typer.echo("closed")
