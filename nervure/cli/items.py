"""`nervure items`: what becomes of skus."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub
from nervure.operations.skus import free, look_up, merge, rename, split
from schemas.base import MAX_UNITS, counted

app = group("Rename, merge and split skus.")


@app.command("rename")
def items_rename(old: str, new: str, settings: SettingsOption = None) -> None:
    """Give an item another sku; the old one stays known."""
    with opened_hub(settings) as hub:
        done = rename(hub, old, new)
    typer.echo(f"{old} is {new} now" if done else "was renamed before")


@app.command("merge")
def items_merge(sku: str, into: str, settings: SettingsOption = None) -> None:
    """Make two items one: stock and listings of the first go to the second."""
    with opened_hub(settings) as hub:
        done = merge(hub, sku, into)
    typer.echo(f"{sku} is {into} now" if done else "was merged before")


@app.command("split")
def items_split(
    sku: str,
    new: str,
    amounts: Annotated[list[str], typer.Argument(metavar="UNITS@LOCATION…", help="How many units, and where.")],
    document: Annotated[str | None, typer.Option(help="A name of its own, where this was done before.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Move units of a sku to another one, which is made where it is new."""
    units: dict[str, int] = {}
    for text in amounts:
        count, _, location = text.partition("@")
        if not (count.isascii() and count.isdigit()) or not location or not 0 < int(count) <= MAX_UNITS:
            fail(f"{text!r} is not UNITS@LOCATION")
        units[location] = units.get(location, 0) + int(count)
    with opened_hub(settings) as hub:
        done = split(hub, sku, new, units, document=document)
    typer.echo(
        f"{counted(sum(units.values()), 'unit')} of {sku} {'is' if sum(units.values()) == 1 else 'are'} {new} now"
        if done
        else "was split before"
    )


@app.command("free")
def items_free(sku: str, settings: SettingsOption = None) -> None:
    """Let a former sku be used for another item."""
    with opened_hub(settings) as hub:
        free(hub, sku)
    typer.echo(f"{sku} can be used for another item")


@app.command("history")
def items_history(
    sku: str,
    at: Annotated[datetime | None, typer.Option(help="What the sku meant at this time (UTC).")] = None,
    settings: SettingsOption = None,
) -> None:
    """Show which item a sku means, or meant, and what became of it."""
    with opened_hub(settings) as hub:
        found = look_up(hub, sku, at.replace(tzinfo=UTC) if at else None)
    typer.echo(f"{sku} is {found.sku}")
    for name, until, freed_at in found.names:
        freed = f", free since {freed_at:%Y-%m-%d %H:%M} UTC" if freed_at else ""
        typer.echo(f"was {name} until {until:%Y-%m-%d %H:%M} UTC{freed}")
    for event in found.events:
        typer.echo(f"{event.occurred_at:%Y-%m-%d %H:%M} UTC: {event.document}")
