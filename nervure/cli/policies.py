"""`nervure policy`, and `nervure stock safety`: what is kept back from whom, and what may be sold beyond."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli import stock
from nervure.cli.common import (
    SettingsOption,
    about_channel,
    fail,
    group,
    opened_hub,
    print_table,
    require_channel,
    say,
)
from nervure.operations.policies import (
    Scope,
    clear_policy,
    list_policies,
    read_safety_stock,
    set_policy,
    set_safety_stock,
)
from nervure.store.policies import PolicySeen
from nervure.store.reports import ReportStore
from schemas.base import MAX_UNITS
from schemas.policies import PolicyKind

app = group("What is kept back from a channel, and what may be sold beyond what is there.")

ChannelOption = Annotated[str | None, typer.Option("--channel", help="Only on this channel.")]
SkuOption = Annotated[str | None, typer.Option("--sku", help="Only for this sku.")]


@app.command("set")
def policy_set(  # noqa: PLR0917 - a command's arguments are positional
    kind: PolicyKind,
    units: Annotated[int, typer.Argument(help="Units; percent of what is there for a share.", min=0, max=MAX_UNITS)],
    channel: ChannelOption = None,
    sku: SkuOption = None,
    until: Annotated[
        str | None, typer.Option(help="Backorder, preorder: the last day on which its units are promised (UTC).")
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Set a policy; the numbers that it concerns are computed and sent again."""
    with opened_hub(settings) as hub, about_channel(hub, channel):
        done = set_policy(hub, kind, units, Scope(channel, sku), promised_on=_day(until))
    say("set" if done else "was so before")


@app.command("clear")
def policy_clear(
    kind: PolicyKind, channel: ChannelOption = None, sku: SkuOption = None, settings: SettingsOption = None
) -> None:
    """Take a policy back."""
    with opened_hub(settings) as hub, about_channel(hub, channel):
        done = clear_policy(hub, kind, Scope(channel, sku))
    if not done:
        fail(f"there is no {kind.value} for exactly this; `nervure policy list` shows what there is")
    say("cleared")


@app.command("list")
def policy_list(channel: ChannelOption = None, sku: SkuOption = None, settings: SettingsOption = None) -> None:
    """List the policies, those of a channel, or those of a sku."""
    with opened_hub(settings) as hub:
        found = list_policies(hub, Scope(channel, sku))
        if channel is not None and not found:
            require_channel(hub, channel)
    print_table(("policy", "units", "channel", "sku", "until", "sold beyond"), [_row(one) for one in found])


def _row(one: PolicySeen) -> tuple[object, ...]:
    units = f"{one.units} %" if one.kind is PolicyKind.SHARE else one.units
    used = "" if one.used is None else one.used
    return one.kind.value, units, one.channel or "all", one.sku or "all", one.promised_on or "", used


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is not a day: write it as 2026-12-24")


@stock.app.command("safety")
def stock_safety(
    sku: Annotated[str | None, typer.Argument()] = None,
    location: Annotated[str | None, typer.Argument()] = None,
    units: Annotated[int | None, typer.Argument(min=0, max=MAX_UNITS)] = None,
    file: Annotated[Path | None, typer.Option("--csv", help="Many at once: columns sku, location, units.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Keep units of a sku back at a location; 0 keeps none back."""
    if file is not None and sku is None:
        rows = read_safety_stock(file)
    elif file is None and sku is not None and location is not None and units is not None:
        rows = [(sku, location, units)]
    else:
        fail("name SKU LOCATION UNITS, or a file with --csv, and not both")
    with opened_hub(settings) as hub:
        changed = set_safety_stock(hub, rows)
    say(f"{changed} of {len(rows)} changed")


@stock.app.command("pickup")
def stock_pickup(sku: str, settings: SettingsOption = None) -> None:
    """Show what each place where customers collect has of a sku, of its own."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).pickup(sku)
    if found is None:
        fail(f"sku {sku!r} is not known")
    print_table(("location", "units"), list(found.items()))
