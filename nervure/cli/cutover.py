"""`nervure cutover`: going live on channels that sell already."""

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, require_channel, suppliers_answer
from nervure.cli.imports import DryRunOption, RefusedOption, load_file
from nervure.operations.cutover import CutoverRefusedError, begin, go, report
from nervure.operations.cutover_bindings import BindingLoader
from nervure.operations.cutover_stock import Source, find_source, masters, take_stock
from nervure.operations.hub import Hub
from nervure.publication.cutover import Finding
from schemas.base import counted

LOOK_BACK_DAYS = 60
SHOWN_REMARKS = 30
COLUMNS = (
    "channel",
    "listing",
    "listing_sku",
    "listing_gtin",
    "title",
    "standing",
    "text",
    "sku",
    "decision",
    "reason",
)

app = group("Go live on channels that sell already: nothing is sent before `go`.")

ChannelsArgument = Annotated[list[str] | None, typer.Argument(help="Channels (default: all of the settings).")]


@app.command("begin")
def cutover_begin(
    channels: ChannelsArgument = None,
    since: Annotated[
        datetime | None,
        typer.Option(help=f"Orders changed since then (UTC) are read (default: {LOOK_BACK_DAYS} days ago)."),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Read catalogue, orders and numbers of live channels. Nothing is sent to them."""
    with opened_hub(settings) as hub:
        for channel in _chosen(hub, channels):
            look_back = since.replace(tzinfo=UTC) if since else hub.clock.now() - timedelta(days=LOOK_BACK_DAYS)
            begun = begin(hub, channel, look_back)
            typer.echo(
                f"{channel}: {begun.listings} documents of listings, {begun.orders} of orders, {begun.levels} of"
                f" numbers were new; {begun.dead} could not be understood"
            )
            typer.echo(f"{channel}: {_counted(begun.findings)}")


@app.command("report")
def cutover_report(
    channels: ChannelsArgument = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write every row to this file, to be edited for `bind`.")
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Show how every listing is bound, and what must be decided. Nothing is bound by its title."""
    with opened_hub(settings) as hub:
        found = {channel: report(hub, channel) for channel in _chosen(hub, channels)}
    if csv_file is not None:
        _write_report(csv_file, found)
    rows = []
    for channel, findings in found.items():
        typer.echo(f"{channel}: {_counted(findings)}")
        rows += [
            (channel, one.listed.external_id, one.listed.sku or "", one.standing.value, one.text)
            for one in findings
            if not one.is_settled
        ]
    if rows:
        print_table(("channel", "listing", "sku", "standing", "what is to be decided"), rows[:SHOWN_REMARKS])
    if len(rows) > SHOWN_REMARKS:
        typer.echo(f"and {len(rows) - SHOWN_REMARKS} more: see --csv")
    typer.echo(f"{len(rows)} to be decided" if rows else "every listing is decided")


@app.command("bind")
def cutover_bind(
    file: Annotated[Path, typer.Argument(help="The report as CSV or XLSX, with your decisions.")],
    *,
    dry_run: DryRunOption = False,
    refused: RefusedOption = None,
    settings: SettingsOption = None,
) -> None:
    """Take decisions from the edited report: bind a listing to a sku, or exclude it with a reason."""
    with opened_hub(settings) as hub:
        load_file(hub.database, file, BindingLoader(list(hub.accounts)), refused, writes=not dry_run)


@app.command("stock")
def cutover_stock(
    sources: Annotated[
        list[str] | None,
        typer.Option("--from", help="CHANNEL=LOCATION: that channel's number is the stock of that location."),
    ] = None,
    also_less: Annotated[
        list[str] | None,
        typer.Option(help="Channel whose open orders (its own: whose kits' parts) an old tool takes off it too."),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Take opening stock from the live systems: what they show, and what their open orders hold."""
    with opened_hub(settings) as hub:
        for channel in also_less or ():
            require_channel(hub, channel)
        if also_less and len(sources or ()) != 1:
            fail("--also-less speaks of one number: give exactly one --from with it")
        for source in _sources(hub, sources or [], only_these=bool(also_less)):
            taken = take_stock(hub, source, also_less=also_less or ())
            typer.echo(
                f"{source.location} from {source.channel}: {counted(taken.booked, 'item')},"
                f" {counted(taken.units, 'unit')} booked;"
                f" {taken.known} had an opening stock"
            )
            if taken.remarks:
                print_table(("location", "sku", "to be looked at"), [(source.location, *one) for one in taken.remarks])


@app.command("go")
def cutover_go(
    channel: str,
    *,
    suppliers_have_them: Annotated[
        bool, typer.Option("--suppliers-have-them", help="Suppliers were asked for what is open: it is not sent again.")
    ] = False,
    send_to_suppliers: Annotated[
        bool, typer.Option("--send-to-suppliers", help="Suppliers were not asked yet: what is open is sent to them.")
    ] = False,
    despite_dead_letters: Annotated[
        bool, typer.Option("--despite-dead-letters", help="Documents that could not be understood do not matter.")
    ] = False,
    settings: SettingsOption = None,
) -> None:
    """Let the first number be sent, once nothing is unresolved."""
    have_them = suppliers_answer(have_them=suppliers_have_them, send=send_to_suppliers)
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        try:
            opened = go(hub, channel, suppliers_have_orders=have_them, ignores_dead_letters=despite_dead_letters)
        except CutoverRefusedError as error:
            for sentence in error.unresolved:
                typer.echo(sentence)
            raise
    typer.echo(f"{channel} is live" if opened else f"{channel} was live already")


def _chosen(hub: Hub, channels: Sequence[str] | None) -> list[str]:
    for channel in channels or ():
        require_channel(hub, channel)
    return list(channels or hub.accounts)


def _sources(hub: Hub, named: Sequence[str], *, only_these: bool) -> list[Source]:
    pairs = []
    for text in named:
        channel, _, location = text.partition("=")
        if not location:
            fail(f"--from {text}: write CHANNEL=LOCATION")
        require_channel(hub, channel)
        pairs.append((channel, location))
    locations = {location for _, location in pairs}
    if not only_these:
        pairs += [(channel, location) for channel, location in masters(hub) if location not in locations]
    if not pairs:
        fail("no location has a live channel as its master: name one with --from CHANNEL=LOCATION")
    return [find_source(hub, channel, location) for channel, location in pairs]


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(one.standing.value for one in findings)
    return ", ".join(f"{count} {standing}" for standing, count in sorted(counts.items())) or "no listings"


def _write_report(path: Path, found: dict[str, list[Finding]]) -> None:
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    with file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for channel, findings in found.items():
            for one in findings:
                listed = one.listed
                decision = listed.decision.value if listed.decision else ""
                writer.writerow(
                    [
                        channel,
                        listed.external_id,
                        listed.sku or "",
                        listed.gtin or "",
                        listed.title,
                        one.standing.value,
                        one.text,
                        listed.item_sku or "",
                        decision,
                        listed.reason or "",
                    ]
                )
