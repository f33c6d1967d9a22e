"""`nervure buffers`: what is kept back for what others sell, and what it is worth."""

from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, group, opened_hub, print_table, write_csv
from nervure.operations.buffers import earn_buffers
from nervure.operations.oversells import BufferReport, report_buffers
from schemas.base import counted

app = group("Units kept back from a channel for what others sell before it is told.")


@app.command("earn")
def buffers_earn(settings: SettingsOption = None) -> None:
    """Compute the buffers that are earned now, instead of within a quarter of an hour."""
    with opened_hub(settings) as hub:
        changed = earn_buffers(hub)
    typer.echo(f"{counted(changed, 'buffer')} changed")


@app.command("report")
def buffers_report(
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every figure to this file.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Show what of the last 14 days was predicted to be sold twice, what was, and what buffers cost."""
    with opened_hub(settings) as hub:
        found = report_buffers(hub)
    if csv_file is not None:
        _write(csv_file, found)
    head = ("channel", "told, s", "lines", "last", "unbuffered", "predicted", "short", "kept", "lost/day")
    print_table(head, [_row(one) for one in found])


def _row(one: BufferReport) -> tuple[object, ...]:
    told = "?" if one.p50_seconds is None else f"{one.p50_seconds:.0f}-{one.p95_seconds:.0f}"
    without = "?" if one.without is None else f"{one.without:.1f}"
    predicted = "?" if one.predicted is None else f"{one.predicted:.1f} ({one.low}-{one.high})"
    return (
        one.channel,
        told,
        one.lines,
        one.last,
        without,
        predicted,
        one.realized,
        one.kept_back,
        f"{one.lost_per_day:.1f}",
    )


def _write(path: Path, rows: Iterable[BufferReport]) -> None:
    write_csv(path, [field.name for field in fields(BufferReport)], map(astuple, rows))
