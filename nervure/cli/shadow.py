"""`nervure shadow`, `promote` and `demote`: try a channel without sending anything to it."""

from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import (
    SettingsOption,
    fail,
    group,
    opened_hub,
    print_table,
    require_channel,
    suppliers_answer,
    write_csv,
)
from nervure.operations.shadow import NotReadyError, demote, promote, report
from nervure.store.shadow import Difference
from schemas.base import counted

SHOWN_DIFFERENCES = 30

app = group("Channels that are read and sent nothing: how far their numbers agree.")
changes = typer.Typer()


@app.command("report")
def shadow_report(
    channel: str,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every difference to this file.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Show what would have been sent to a channel, and every difference to what it shows."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        found = report(hub, channel)
    if csv_file is not None:
        _write(csv_file, found.differences)
    typer.echo(f"{channel} is {'in the shadow' if found.is_shadow else 'live'}")
    if found.days:
        rows = [
            (day.day, day.samples, day.compared, day.differing, f"{day.share:.2%}", day.unseen, day.computed)
            for day in found.days
        ]
        print_table(("day (UTC)", "samples", "compared", "differing", "share", "unseen", "computed"), rows)
    if found.differences:
        differences = [_row(one) for one in found.differences[:SHOWN_DIFFERENCES]]
        print_table(("sku", "listing", "stock point", "shows", "would be sent"), differences)
    if len(found.differences) > SHOWN_DIFFERENCES:
        typer.echo(f"and {len(found.differences) - SHOWN_DIFFERENCES} more: see --csv")
    typer.echo(f"{counted(len(found.differences), 'number')} would be sent now")
    if found.is_shadow:
        for doubt in found.doubts:
            typer.echo(f"not ready: {doubt}")
        if not found.doubts:
            typer.echo(f"ready: `nervure promote {channel}`")


def _row(one: Difference) -> tuple[object, ...]:
    return one.sku, one.listing, one.stock_point, "?" if one.shown_units is None else one.shown_units, one.wanted_units


def _write(path: Path, differences: Iterable[Difference]) -> None:
    write_csv(path, [field.name for field in fields(Difference)], map(astuple, differences))


@changes.command("promote", rich_help_panel="Set up and connect")
def promote_channel(
    channel: str,
    *,
    anyway: Annotated[bool, typer.Option("--anyway", help="Whatever its days in the shadow say.")] = False,
    suppliers_have_them: Annotated[
        bool, typer.Option("--suppliers-have-them", help="Suppliers have the open orders: they are not sent.")
    ] = False,
    send_to_suppliers: Annotated[
        bool, typer.Option("--send-to-suppliers", help="Suppliers do not have the open orders: send them.")
    ] = False,
    settings: SettingsOption = None,
) -> None:
    """Take a channel out of the shadow, once its numbers have agreed for long enough."""
    said = suppliers_answer(have_them=suppliers_have_them, send=send_to_suppliers)
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        try:
            is_new = promote(hub, channel, anyway=anyway, suppliers_have_orders=said)
        except NotReadyError as error:
            for doubt in error.doubts:
                typer.echo(doubt)
            fail(str(error))
    typer.echo(f"{channel}: {'live, once it was heard' if is_new else 'was not in the shadow'}")


@changes.command("demote", rich_help_panel="Set up and connect")
def demote_channel(channel: str, settings: SettingsOption = None) -> None:
    """Put a channel into the shadow: it is read, and nothing is sent to it."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        is_new = demote(hub, channel)
    typer.echo(f"{channel}: {'in the shadow' if is_new else 'was in the shadow'}")
