"""`nervure coverage`: where every number of every channel stands, and why."""

import json
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, opened_hub, print_table, require_channel, write_csv
from nervure.publication.coverage import Coverage, Group
from nervure.store.coverage import CoverageStore, CoveredNumber

app = typer.Typer()


@app.command(rich_help_panel="See how it stands")
def coverage(
    channels: Annotated[list[str] | None, typer.Argument(help="Channels (default: all that the hub knows).")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every number to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one JSON object.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Count the numbers of each channel: in flight, confirmed, in error, excluded, with every reason."""
    with opened_hub(settings) as hub:
        for channel in channels or ():
            require_channel(hub, channel)
        with hub.database.read() as connection:
            store = CoverageStore(connection, hub.clock.now())
            found = store.channels(channels or None)
            if csv_file is not None:
                _write(csv_file, store.numbers(channels or None))
    if as_json:
        typer.echo(json.dumps({"channels": [_as_json(one) for one in found]}, indent=2, ensure_ascii=False))
        return
    print_table(("channel", *Group, "total"), [(one.channel, *map(one.count, Group), one.total) for one in found])
    reasons = [
        (one.channel, reason.group.value, reason.count, reason.text)
        for one in found
        for reason in one.reasons
        if reason.text
    ]
    if reasons:
        typer.echo()
        print_table(("channel", "group", "count", "reason"), reasons)


def _as_json(one: Coverage) -> dict[str, object]:
    return {
        "channel": one.channel,
        **{group.name.lower(): one.count(group) for group in Group},
        "total": one.total,
        "reasons": [
            {"group": reason.group.value, "reason": reason.text, "count": reason.count}
            for reason in one.reasons
            if reason.text
        ],
    }


def _write(path: Path, numbers: Iterable[CoveredNumber]) -> None:
    write_csv(path, [field.name for field in fields(CoveredNumber)], map(astuple, numbers))
