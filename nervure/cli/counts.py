"""`nervure count`: cycle counts, while sales go on."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table
from nervure.operations import counts
from nervure.operations.counts import Entered, LineView
from schemas.base import MAX_UNITS
from schemas.stock import AdjustmentReason, Condition

app = group("Count what is there, while sales go on.")


@app.command("open")
def count_open(
    name: str,
    location: str,
    skus: Annotated[list[str] | None, typer.Argument(metavar="[SKU]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that lies there.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Open a count of some skus, or of everything, at a location."""
    with opened_hub(settings) as hub:
        keys = counts.open_count(hub, name, location, skus or [], is_everything=everything)
    typer.echo(f"{keys} to count")


@app.command("enter", context_settings={"ignore_unknown_options": True})
def count_enter(  # noqa: PLR0917 - a command's arguments are positional
    name: str,
    sku: str,
    units: Annotated[int, typer.Argument(min=0, max=MAX_UNITS)],
    at: Annotated[str | None, typer.Option(help="When it was counted, with its offset (default: now).")] = None,
    by: Annotated[str, typer.Option(help="Who counted.")] = "",
    lot: Annotated[str | None, typer.Option(help="Needed where several lots lie there.")] = None,
    owner: Annotated[str | None, typer.Option(help="Needed where units of several owners lie there.")] = None,
    condition: Condition = Condition.SELLABLE,
    reason: Annotated[AdjustmentReason, typer.Option(help="Why it may differ.")] = AdjustmentReason.CYCLE_COUNT,
    settings: SettingsOption = None,
) -> None:
    """Enter what was found; before it is booked, a recount replaces it."""
    entered = Entered(sku, units, _moment(at), by, reason, condition, owner, lot)
    with opened_hub(settings) as hub:
        is_new = counts.enter(hub, name, entered)
    typer.echo("entered" if is_new else "was entered before")


@app.command("show")
def count_show(name: str, settings: SettingsOption = None) -> None:
    """Show what is counted, what was expected at that moment, and what waits for a second person."""
    with opened_hub(settings) as hub:
        document, lines = counts.show(hub, name)
    typer.echo(f"{document.name} at {document.location}: {document.state}")
    _print(lines)


@app.command("confirm")
def count_confirm(
    name: str, by: Annotated[str, typer.Option(help="Who confirms.")], settings: SettingsOption = None
) -> None:
    """Book the differences; large ones need somebody else than who counted."""
    with opened_hub(settings) as hub:
        booked = counts.confirm(hub, name, by)
        waiting = sum(view.state == "second person" for view in counts.show(hub, name)[1])
    typer.echo(f"{len(booked)} booked" + (f", {waiting} need a second person" if waiting else ""))


@app.command("close")
def count_close(name: str, settings: SettingsOption = None) -> None:
    """End a count whose entries are all booked."""
    with opened_hub(settings) as hub:
        counts.close(hub, name)
    typer.echo("closed")


@app.command("cancel")
def count_cancel(name: str, settings: SettingsOption = None) -> None:
    """End a count; what is not booked yet is not booked."""
    with opened_hub(settings) as hub:
        counts.cancel(hub, name)
    typer.echo("canceled")


def _print(lines: list[LineView]) -> None:
    columns = ("sku", "condition", "owner", "lot", "counted", "expected", "difference", "state")
    print_table(
        columns,
        [
            (
                view.line.sku,
                view.line.condition.value,
                view.line.owner,
                view.line.lot or "-",
                "-" if view.line.units is None else view.line.units,
                "-" if view.expected is None else view.expected,
                "-" if view.difference is None else f"{view.difference:+d}" if view.difference else "0",
                view.state,
            )
            for view in lines
        ],
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            fail(f"{text!r} lacks its offset from UTC: write it like 2026-11-27T14:30:00+01:00")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        fail(f"{text!r} is no time: write it like 2026-11-27T14:30:00+01:00")
