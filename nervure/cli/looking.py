"""Commands that look at the whole hub: its state, its rules, its balances."""

import typer

from nervure.cli.common import SettingsOption, fail, opened_hub, print_table
from nervure.invariants import check_all
from nervure.store.audit import AuditStore
from nervure.store.rebuild import rebuild as rebuild_levels
from nervure.store.reports import ReportStore

app = typer.Typer()


@app.command()
def status(settings: SettingsOption = None) -> None:
    """Show every channel: orders, what it shows, what is wrong."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
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
            report.excluded,
            report.problem or ("not live" if report.gated else "paused" if report.paused else ""),
        )
        for report in found
    ]
    print_table(("channel", "platform", "orders", "confirmed", "pending", "error", "excluded", "problem"), rows)
    for task in tasks:
        typer.echo(f"{task.kind}: {task.about}: {task.text}")


@app.command()
def check(settings: SettingsOption = None) -> None:
    """Check everything that must always hold; each violation is named."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        violations = check_all(AuditStore(connection))
    for violation in violations:
        typer.echo(f"{violation.rule}: {violation.subject}: {violation.text}")
    if violations:
        fail(f"{len(violations)} violations")
    typer.echo("everything holds")


@app.command()
def rebuild(settings: SettingsOption = None) -> None:
    """Compute every stock level anew from the ledger and the claims, and put right what differs."""
    with opened_hub(settings) as hub:
        mended = hub.database.run(lambda connection: rebuild_levels(connection, hub.clock.now()))
    for difference in mended:
        typer.echo(str(difference))
    typer.echo(f"{len(mended)} levels were put right")
