"""The `nervure` command. Bad input ends with one clear sentence and a non-zero exit."""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from connectors.errors import ConnectorError
from nervure import settings as settings_module
from nervure.clock import SystemClock
from nervure.invariants import check_all
from nervure.operations.hub import Hub
from nervure.operations.pull import pull_catalogue
from nervure.operations.setup import open_hub
from nervure.operations.staff import MAX_UNITS, UnknownStockError, adjust, receive
from nervure.operations.webhooks import callback_url
from nervure.rehearsals import Outcome, RehearsalError, run_demo, run_replay, write_json
from nervure.service.supervisor import StartError
from nervure.service.up import run_up
from nervure.settings import Settings, SettingsError
from nervure.store.audit import AuditStore
from nervure.store.catalogue import CatalogueStore
from nervure.store.channels import ChannelStore
from nervure.store.database import Database, DatabaseError, open_database
from nervure.store.inbox import InboxStore
from nervure.store.migrations import differences, upgrade
from nervure.store.rebuild import rebuild as rebuild_levels
from nervure.store.reports import ReportStore
from nervure.store.upkeep import UpkeepStore
from nervure.template import SETTINGS_TEMPLATE
from schemas.stock import AdjustmentReason
from simulation.demo import prepare
from simulation.history import HistoryError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="One stock, everywhere."
)
db = typer.Typer(no_args_is_help=True, help="The hub's database.")
inbox = typer.Typer(no_args_is_help=True, help="Documents received, and those that could not be understood.")
channels = typer.Typer(no_args_is_help=True, help="The accounts where we sell.")
stock = typer.Typer(no_args_is_help=True, help="What is where.")
orders = typer.Typer(no_args_is_help=True, help="What was bought.")
tasks = typer.Typer(no_args_is_help=True, help="What a person must look at.")
GROUPS = {"db": db, "inbox": inbox, "channels": channels, "stock": stock, "orders": orders, "tasks": tasks}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="The settings file (default: NERVURE_SETTINGS, then ./nervure.toml).")
]
FolderOption = Annotated[Path, typer.Option("--folder", help="Where everything that runs here keeps its files.")]
FOLDER = Path(".nervure")


def main() -> None:
    """Runs the command; every known failure is one sentence on standard error."""
    try:
        app()
    except (
        SettingsError,
        DatabaseError,
        ConnectorError,
        RehearsalError,
        HistoryError,
        StartError,
        UnknownStockError,
    ) as error:
        _fail(str(error))


# -- running -------------------------------------------------------------------------------------------------------


@app.command()
def up(
    settings: SettingsOption = None,
    folder: FolderOption = FOLDER,
    orders_per_second: Annotated[float, typer.Option(help="How busy the demo's shoppers are.", min=0.01)] = 1.0,
    seed: Annotated[int, typer.Option(help="Decides everything about the demo's merchant and shoppers.")] = 1,
) -> None:
    """Run everything on this machine: your channels, or without settings the demo."""
    raise typer.Exit(
        run_up(
            settings or settings_module.find(),
            folder=folder,
            prepare=prepare,
            orders_per_second=orders_per_second,
            seed=seed,
        )
    )


@app.command()
def init(file: Annotated[Path, typer.Argument(help="Where to write.")] = Path(settings_module.FILE_NAME)) -> None:
    """Write a commented settings file to begin with."""
    if file.exists():
        _fail(f"{file} is there already: move it away first")
    try:
        file.write_text(SETTINGS_TEMPLATE, "utf-8")
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror}")
    typer.echo(f"wrote {file}: fill in your locations and channels, then run: nervure channels check")


@app.command()
def demo(
    orders: Annotated[int, typer.Option(help="How many orders shoppers place.", min=1)] = 300,
    orders_per_second: Annotated[float, typer.Option(help="How fast they come.", min=0.01)] = 5.0,
    seed: Annotated[int, typer.Option(help="Decides everything about merchant and shoppers.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    folder: FolderOption = FOLDER / "demo",
) -> None:
    """Play a bounded demo through HTTP, webhooks and Prefect, and judge it."""
    outcome = run_demo(folder.resolve(), orders=orders, orders_per_second=orders_per_second, seed=seed, say=_say)
    _finish(outcome, json_file)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Order history: CSV or CSV.GZ with InvoiceNo, StockCode, …")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    speed: Annotated[float, typer.Option(help="Seconds of history in one second.", min=1.0)] = 2000.0,
    database: Annotated[str | None, typer.Option(help="URL of an empty database (default: a temporary one).")] = None,
) -> None:
    """Replay real order history through the emulated platforms, and judge it."""
    with tempfile.TemporaryDirectory(prefix="nervure-") as folder:
        url = database or f"sqlite:///{Path(folder) / 'replay.db'}"
        outcome = run_replay(files, database_url=url, speed=speed, say=_say)
    _finish(outcome, json_file)


@app.command()
def status(settings: SettingsOption = None) -> None:
    """Show every channel: orders, what it shows, what is wrong."""
    with _hub(settings) as hub, hub.database.read() as connection:
        reports = ReportStore(connection, hub.clock.now())
        found, tasks = reports.channels(), reports.tasks(limit=10)
    rows = [
        (
            report.name,
            report.platform,
            report.orders,
            report.confirmed,
            report.pending,
            report.error,
            report.problem or ("paused" if report.paused else ""),
        )
        for report in found
    ]
    _table(("channel", "platform", "orders", "confirmed", "pending", "error", "problem"), rows)
    for task in tasks:
        typer.echo(f"{task.kind}: {task.about}: {task.text}")


@app.command()
def check(settings: SettingsOption = None) -> None:
    """Check everything that must always hold; each violation is named."""
    with _hub(settings) as hub, hub.database.read() as connection:
        violations = check_all(AuditStore(connection))
    for violation in violations:
        typer.echo(f"{violation.rule}: {violation.subject}: {violation.text}")
    if violations:
        _fail(f"{len(violations)} violations")
    typer.echo("everything holds")


@app.command()
def rebuild(settings: SettingsOption = None) -> None:
    """Compute every stock level anew from the ledger and the claims, and put right what differs."""
    with _hub(settings) as hub:
        mended = hub.database.run(lambda connection: rebuild_levels(connection, hub.clock.now()))
    for difference in mended:
        typer.echo(str(difference))
    typer.echo(f"{len(mended)} levels were put right")


# -- database ------------------------------------------------------------------------------------------------------


@db.command("upgrade")
def db_upgrade(settings: SettingsOption = None) -> None:
    """Bring the database to this version's form."""
    database = open_database(_load(settings).hub.database)
    upgrade(database)
    typer.echo("the database is up to date")


@db.command("check")
def db_check() -> None:
    """Check that the migrations and the tables in the code agree."""
    with tempfile.TemporaryDirectory(prefix="nervure-") as folder:
        database: Database = open_database(f"sqlite:///{Path(folder) / 'check.db'}")
        upgrade(database)
        found = differences(database)
        database.close()
    if found:
        _fail(f"a migration is missing: {'; '.join(found)}")
    typer.echo("migrations and tables agree")


# -- inbox ---------------------------------------------------------------------------------------------------------


@inbox.command("list")
def inbox_list(settings: SettingsOption = None) -> None:
    """List the dead letters with their reasons, newest first."""
    with _hub(settings) as hub, hub.database.read() as connection:
        letters = InboxStore(connection, hub.clock.now()).dead()
    if not letters:
        typer.echo("no dead letters")
        return
    _table(
        ("id", "channel", "topic", "document", "reason"),
        [(letter.id, letter.channel, letter.topic, letter.document_id, letter.reason) for letter in letters],
    )


@inbox.command("replay")
def inbox_replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Dead letters to try again (default: all).")] = None,
    settings: SettingsOption = None,
) -> None:
    """Put dead letters back: the dispatcher tries them again."""
    with _hub(settings) as hub:
        count = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).replay(ids or None))
    if ids and count < len(set(ids)):
        _fail(f"{len(set(ids)) - count} of these are no dead letters; {count} were put back")
    typer.echo(f"{count} documents will be tried again")


@inbox.command("accept")
def inbox_accept(number: int, settings: SettingsOption = None) -> None:
    """Take a held feed as it is: so large a change is meant. A feed that is damaged in itself stays held."""
    with _hub(settings) as hub:
        account = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).accept(number))
    if account is None:
        _fail(f"document {number} is no dead letter")
    typer.echo(f"document {number} of {account} will be taken as it is")


# -- channels ------------------------------------------------------------------------------------------------------


@channels.command("check")
def channels_check(settings: SettingsOption = None) -> None:
    """Sign in everywhere, and say what each account answers."""
    failed = 0
    with _hub(settings) as hub:
        for name in hub.accounts:
            try:
                typer.echo(f"{name}: {hub.connection(name).check()}")
            except ConnectorError as error:
                failed += 1
                typer.echo(f"{name}: {error}", err=True)
        for name in hub.suppliers:
            try:
                with hub.supplier(name) as exchange:
                    typer.echo(f"{name}: {exchange.check()}")
            except ConnectorError as error:
                failed += 1
                typer.echo(f"{name}: {error}", err=True)
    if failed:
        _fail(f"{failed} accounts cannot be used yet")


@channels.command("subscribe")
def channels_subscribe(settings: SettingsOption = None) -> None:
    """Make the webhook subscriptions that are missing."""
    with _hub(settings) as hub:
        if hub.callback_url is None:
            _fail("settings say no hub.callback_url: platforms cannot reach this hub")
        for name, account in hub.accounts.items():
            if account.record.capabilities.has_webhooks:
                made = hub.connection(name).ensure_webhooks(callback_url(hub, name))
                typer.echo(f"{name}: {', '.join(made) or 'nothing was missing'}")


@channels.command("bind")
def channels_bind(channel: str, settings: SettingsOption = None) -> None:
    """Pull a channel's catalogue now; the running hub binds it."""
    with _hub(settings) as hub:
        _known(hub, channel)
        typer.echo(f"{pull_catalogue(hub, channel)} new documents")


@channels.command("unbound")
def channels_unbound(channel: str, settings: SettingsOption = None) -> None:
    """List the listings of a channel that belong to no item, with the reason."""
    with _hub(settings) as hub:
        _known(hub, channel)
        with hub.database.read() as connection:
            found = CatalogueStore(connection, hub.clock.now()).unbound(channel)
    if not found:
        typer.echo("every listing is bound")
        return
    _table(("listing", "reason"), found)


@channels.command("pause")
def channels_pause(channel: str, settings: SettingsOption = None) -> None:
    """Stop publishing to a channel; orders are still heard."""
    _set_paused(channel, settings, is_paused=True)


@channels.command("resume")
def channels_resume(channel: str, settings: SettingsOption = None) -> None:
    """Publish to a channel again."""
    _set_paused(channel, settings, is_paused=False)


# -- stock and orders ----------------------------------------------------------------------------------------------


@stock.command("show")
def stock_show(channel: str, sku: str, settings: SettingsOption = None) -> None:
    """Show what each stock point of a channel may offer of a sku now."""
    with _hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).availability(channel, sku)
    if found is None:
        _fail(f"sku {sku!r} is not listed on channel {channel!r}")
    _table(("stock point", "units"), list(found.items()))


@stock.command("receive")
def stock_receive(
    sku: str,
    location: str,
    units: Annotated[int, typer.Argument(min=1, max=MAX_UNITS)],
    document: Annotated[str, typer.Option(help="What it came with; the same document again changes nothing.")],
    settings: SettingsOption = None,
) -> None:
    """Book goods that came in."""
    with _hub(settings) as hub:
        done = receive(hub, sku, location, units, document=document)
    typer.echo("booked" if done else "was booked before")


@stock.command("adjust", context_settings={"ignore_unknown_options": True})
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
        _fail("0 units are no difference")
    with _hub(settings) as hub:
        done = adjust(hub, sku, location, units, reason=reason, document=document)
    typer.echo("booked" if done else "was booked before")


@orders.command("explain")
def orders_explain(channel: str, order: str, settings: SettingsOption = None) -> None:
    """Show from where an order is served, and why."""
    with _hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).routing(channel, order)
    if found is None:
        _fail(f"channel {channel!r} has no order {order!r}")
    for place, reason in found["reasons"].items():
        typer.echo(f"{place}: {reason}")
    rows = [(row["location"], row["state"], row["sku"], row["units"]) for row in found["served"]]
    _table(("location", "state", "sku", "units"), rows)
    for row in found["shortfalls"]:
        typer.echo(f"shortfall: {row['units']} of {row['sku']}")


# -- tasks ---------------------------------------------------------------------------------------------------------


@tasks.command("list")
def tasks_list(settings: SettingsOption = None) -> None:
    """List what a person must look at, newest first."""
    with _hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).tasks()
    if not found:
        typer.echo("nothing to look at")
        return
    _table(
        ("id", "since", "what", "about", "text"),
        [(t.id, f"{t.created_at:%Y-%m-%d %H:%M} UTC", t.kind.replace("_", " "), t.about, t.text) for t in found],
    )


@tasks.command("done")
def tasks_done(number: int, settings: SettingsOption = None) -> None:
    """Close a task that somebody has looked at. It opens again when the same thing happens again."""
    with _hub(settings) as hub:
        done = hub.database.run(lambda c: UpkeepStore(c, hub.clock.now()).close_task(number))
    if not done:
        _fail(f"there is no open task {number}")
    typer.echo(f"task {number} is closed")


# -- small things --------------------------------------------------------------------------------------------------


def _load(path: Path | None) -> Settings:
    found = path or settings_module.find()
    if found is None:
        _fail("no settings: write them with `nervure init`, or name the file with --settings")
    return settings_module.load(found)


@contextmanager
def _hub(path: Path | None) -> Iterator[Hub]:
    with open_hub(_load(path), SystemClock()) as hub:
        yield hub


def _known(hub: Hub, channel: str) -> None:
    if channel not in hub.accounts:
        _fail(f"no channel {channel!r} in the settings; there are: {', '.join(hub.accounts) or 'none'}")


def _set_paused(channel: str, settings: Path | None, *, is_paused: bool) -> None:
    with _hub(settings) as hub:
        _known(hub, channel)
        hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).set_paused(channel, is_paused=is_paused))
    typer.echo(f"{channel}: {'paused' if is_paused else 'publishing'}")


def _finish(outcome: Outcome, json_file: Path | None) -> NoReturn:
    """Prints the figures, writes them, and says by the exit code whether what must be 0 is 0."""
    figures = dict(outcome.figures)
    times: Mapping[str, Mapping[str, Any]] = figures.pop("sale_to_confirmed_seconds", {})
    details: Sequence[str] = figures.pop("details", ())
    _table(("figure", "value"), list(figures.items()))
    rows = [(name, row["count"], row["p50"], row["p95"], row["p99"]) for name, row in times.items()]
    _table(("sale to confirmed, seconds", "pairs", "p50", "p95", "p99"), rows)
    for detail in details[:10]:
        typer.echo(detail)
    if json_file is not None:
        write_json(outcome.figures, json_file)
    typer.echo("everything that must be 0 is 0" if outcome.holds else "something that must be 0 is not")
    raise typer.Exit(0 if outcome.holds else 1)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def _say(line: str) -> None:
    typer.echo(line)


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"nervure: {sentence}", err=True)
    sys.exit(1)
