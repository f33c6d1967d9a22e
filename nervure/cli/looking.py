"""Commands that look at the whole hub: its state, its rules, its balances."""

from dataclasses import asdict
from datetime import datetime
from json import dumps
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, opened_hub, print_table
from nervure.clock import Measured
from nervure.invariants import Violation, each_violation
from nervure.publication.coverage import Group
from nervure.store.audit import AuditStore
from nervure.store.budgets import BudgetStore, Line
from nervure.store.clocks import ClockStore
from nervure.store.hearing import HearingStore
from nervure.store.rebuild import Difference
from nervure.store.rebuild import rebuild as rebuild_levels
from nervure.store.reports import ReportStore
from schemas.base import counted

app = typer.Typer()


@app.command(rich_help_panel="See how it stands")
def status(settings: SettingsOption = None) -> None:
    """Show every channel: orders, what it shows, what is wrong."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        reports = ReportStore(connection, hub.clock.now())
        found, tasks = reports.channels(), reports.tasks(limit=10)
        lines = BudgetStore(connection, hub.clock.now()).lines()
        heeds = HearingStore(connection, hub.clock.now()).heeds()
        clocks = ClockStore(connection, hub.clock.now()).all()
        off = {name: _clock(clocks.get(hub.credential(name))) for name in hub.accounts}
        calls = {name: _calls(lines.get(hub.credential(name), Line()), hub.clock.now()) for name in hub.accounts}
    rows = [
        (
            report.name,
            report.orders,
            report.in_flight,
            report.confirmed,
            report.error,
            report.excluded,
            heeds[report.name].share if report.name in heeds else "",
            calls.get(report.name, ""),
        )
        for report in found
    ]
    print_table(("channel", "orders", *Group, "polled", "calls"), rows)
    for report in found:
        problems = [*([report.problem] if report.problem else ()), *report.brakes, *off.get(report.name, ())]
        if problems:
            typer.echo(f"{report.name}: {', '.join(problems)}")
    for task in tasks:
        typer.echo(f"{task.kind}: {task.about}: {task.text}")


def _calls(line: Line, now: datetime) -> str:
    """Whether the platform may be called now."""
    if line.probe_at is not None:
        return f"down {max(0.0, (line.probe_at - now).total_seconds()):.0f} s"
    wait = line.wait_seconds(now)
    if wait > 0:
        return f"wait {wait:.0f} s"
    return f"{line.failures} failed" if line.failures else "free"


def _clock(measured: Measured | None) -> list[str]:
    """How far the platform's clock is off; nothing where it goes right, or nobody knows."""
    if measured is not None and measured.is_beyond:
        return ["its clock is too far off to correct its times"]
    if measured is None or not measured.ahead:
        return []
    side = "ahead" if measured.ahead > 0 else "behind"
    return [f"its clock is {abs(measured.ahead):.0f} s {side}, and its times are corrected"]


@app.command(rich_help_panel="See how it stands")
def check(
    settings: SettingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each violation.")] = False,
) -> None:
    """Check everything that must always hold; each violation is named."""
    found = 0
    with opened_hub(settings) as hub, hub.database.read() as connection:
        for violation in each_violation(AuditStore(connection)):
            found += 1
            if as_json:
                typer.echo(dumps(asdict(violation), ensure_ascii=False))
            else:
                typer.echo(_readable(violation))
    if found:
        fail(f"{counted(found, 'violation')}")
    if not as_json:
        typer.echo("everything holds")


def _readable(violation: Violation) -> str:
    delta = f" ({violation.delta:+})" if violation.delta and f"({violation.delta:+})" not in violation.text else ""
    return f"{violation.rule}: {violation.subject}: {violation.text}{delta}"


@app.command(rich_help_panel="See how it stands")
def rebuild(settings: SettingsOption = None) -> None:
    """Compute every stock level anew from the ledger and the claims, and put right what differs."""
    with opened_hub(settings) as hub:
        mended = hub.database.run(lambda connection: rebuild_levels(connection, hub.clock.now()))
    for one in mended:
        typer.echo(f"{one.sku} at {one.location} ({_kept_as(one)}): {one.number} {one.stored} -> {one.rebuilt}")
    typer.echo(f"{counted(len({one.level_id for one in mended}), 'level was', 'levels were')} put right")


def _kept_as(difference: Difference) -> str:
    return " ".join(part for part in (difference.owner, difference.condition, difference.lot) if part)
