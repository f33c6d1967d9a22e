"""`nervure stock incoming` and `future`: what is to come, and what can be promised of it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, opened_hub, print_table
from nervure.operations.incoming import IncomingLine, future, incoming

app = typer.Typer()


@app.command("incoming")
def stock_incoming(
    sku: Annotated[str | None, typer.Argument(help="Default: all.")] = None, settings: SettingsOption = None
) -> None:
    """List what is bought or in transit and not here yet, by day."""
    with opened_hub(settings) as hub:
        found = incoming(hub, sku)
    if not found:
        typer.echo("nothing is to come in")
        return
    print_table(
        ("sku", "location", "units", "condition", "expected", "document"),
        [(one.sku, one.location, one.units, one.condition, _when(one), one.document) for one in found],
    )


@app.command("future")
def stock_future(
    sku: str,
    location: Annotated[list[str] | None, typer.Option(help="Only this location; may be repeated.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Show how many units can be promised, now and once more has come in."""
    with opened_hub(settings) as hub:
        found = future(hub, sku, location or [])
    print_table(("from", "units"), [(step.on or "now", step.units) for step in found.steps])
    _say_not_promised(found.not_promised)


def _say_not_promised(lines: Sequence[IncomingLine]) -> None:
    for one in lines:
        typer.echo(
            f"not promised: {one.units} {one.condition} {one.sku} to {one.location}, {_when(one)}, {one.document}"
        )


def _when(line: IncomingLine) -> str:
    if line.expected_on is None:
        return "no day said"
    return f"{line.expected_on} overdue" if line.is_overdue else str(line.expected_on)
