"""The `nervure` command, one module a group. Bad input ends with one clear sentence and a non-zero exit."""

import sys

import typer

from connectors.errors import ConnectorError
from nervure.cli import (
    buffers,
    channels,
    counts,
    coverage,
    cutover,
    database,
    desk,
    explain,
    imports,
    inbox,
    incoming,
    items,
    looking,
    lots,
    movements,
    moving,
    orders,
    policies,
    purchases,
    reservations,
    routing,
    running,
    serials,
    shadow,
    shortfalls,
    stock,
    suppliers,
    tasks,
    transfers,
    undo,
)
from nervure.cli.common import fail
from nervure.inventory.stock import UnbookableError
from nervure.operations.refusals import RefusalError
from nervure.rehearsals import RehearsalError
from nervure.service.supervisor import StartError
from nervure.settings import SettingsError
from nervure.store.database import REFUSALS, DatabaseError, reason_of
from simulation.history import HistoryError

KNOWN_FAILURES = (
    ConnectorError,
    DatabaseError,
    HistoryError,
    UnbookableError,
    RefusalError,
    RehearsalError,
    SettingsError,
    StartError,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One stock for tills, web shops, marketplaces and suppliers.",
    epilog="Begin with `nervure up`, which runs a demo, or with `nervure init` for channels of your own.",
)
for commands in (running.app, looking.app, coverage.app, shadow.changes, explain.app, undo.app):
    app.add_typer(commands)
for more in (purchases, transfers, incoming, reservations, movements, lots):
    stock.app.add_typer(more.app)
orders.app.add_typer(moving.app)
GROUPS = {
    "Your stock": {
        "stock": stock,
        "items": items,
        "count": counts,
        "serials": serials,
        "policy": policies,
        "buffers": buffers,
    },
    "Your orders": {
        "orders": orders,
        "route": routing,
        "shortfalls": shortfalls,
        "desk": desk,
        "suppliers": suppliers,
    },
    "What needs somebody": {"tasks": tasks, "inbox": inbox},
    "Set up and connect": {
        "import": imports,
        "channels": channels,
        "cutover": cutover,
        "shadow": shadow,
        "db": database,
    },
}
"""Groups of commands by the heading under which `nervure --help` lists them."""
for heading, groups in GROUPS.items():
    for name, module in groups.items():
        app.add_typer(module.app, name=name, rich_help_panel=heading)


def main() -> None:
    """Runs the command; every known failure is one sentence on standard error."""
    try:
        " ".join(sys.argv).encode()
    except UnicodeEncodeError:
        fail("an argument is not in UTF-8")
    try:
        app()
    except KNOWN_FAILURES as error:
        fail(str(error))
    except REFUSALS as error:
        fail(f"the database refused it: {reason_of(error)}; is it the hub's own, and may this user write to it?")
