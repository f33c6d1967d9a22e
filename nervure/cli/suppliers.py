"""`nervure suppliers`: how they keep their word."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, fields
from datetime import datetime
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, group, opened_hub, print_table, say, write_csv
from nervure.operations.scorecards import Scorecard, scorecards, scored_days
from schemas.base import counted

app = group("What suppliers promised and did.")


@app.callback()
def suppliers() -> None:
    """What suppliers promised and did."""


@app.command("scorecard")
def suppliers_scorecard(
    begin: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day, UTC; a month ago if not said."),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, UTC; today if not said.")
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every figure to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure as one JSON document.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Show how each supplier answered, shipped, and kept its numbers true."""
    with opened_hub(settings) as hub:
        span = scored_days(begin and begin.date(), end and end.date(), hub.clock.now().date())
        found = scorecards(hub, *span)
    if csv_file is not None:
        write_csv(csv_file, [one.name for one in fields(Scorecard)], [astuple(one) for one in found])
    if as_json:
        say(dumps([asdict(one) for one in found], indent=2))
        return
    if not found:
        say("no supplier has said anything yet")
        return
    print_table(("", *(one.supplier for one in found)), _rows(found))


def _rows(found: Sequence[Scorecard]) -> list[tuple[str, ...]]:
    """A row for each figure, with a column for each supplier."""
    figures: dict[str, Callable[[Scorecard], str]] = {
        "asked for": lambda one: f"{counted(one.lines, 'line')}, {counted(one.units, 'unit')}",
        "accepted": lambda one: f"{_percent(one.acceptance)} of units",
        "confirmed / partly / refused": lambda one: f"{one.confirmed} / {one.partly} / {one.refused} lines",
        "silent": lambda one: f"{counted(one.silent, 'line')}",
        "time to answer, p50 / p95": lambda one: f"{_time(one.answer_p50)} / {_time(one.answer_p95)}",
        "past the agreed time": lambda one: _percent(one.past_time),
        "shipped late": lambda one: f"{one.late} of {one.shipped}, overdue {one.overdue}",
        "age of figures, p50 / p95": lambda one: f"{_time(one.age_p50)} / {_time(one.age_p95)}",
        "figures too old": lambda one: (
            "no figures known" if one.stale is None else f"{_percent(one.stale)} of the time"
        ),
        "wrong promises": lambda one: f"{counted(one.wrong_lines, 'line')}, {_percent(one.wrong_share)}",
    }
    return [(name, *(figure(one) for one in found)) for name, figure in figures.items()]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _time(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "-"
    for most, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} d"
