"""`nervure tasks`: what a person must look at."""

from typing import Annotated

import typer

from nervure.cli.common import MAX_ID, SettingsOption, fail, group, opened_hub, print_table
from nervure.store.reports import ReportStore
from nervure.store.tasks import TaskStore

app = group("What a person must look at: list it, and close what is done.")


@app.command("list")
def tasks_list(settings: SettingsOption = None) -> None:
    """List what a person must look at, newest first."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).tasks()
    if not found:
        typer.echo("nothing to look at")
        return
    print_table(
        ("id", "since", "what", "about", "text"),
        [(t.id, f"{t.created_at:%Y-%m-%d %H:%M} UTC", t.kind.replace("_", " "), t.about, t.text) for t in found],
    )


@app.command("done")
def tasks_done(number: Annotated[int, typer.Argument(min=1, max=MAX_ID)], settings: SettingsOption = None) -> None:
    """Close a task that somebody has looked at. It opens again when the same thing happens again."""
    with opened_hub(settings) as hub:
        done = hub.database.run(lambda c: TaskStore(c, hub.clock.now()).close_number(number))
    if not done:
        fail(f"there is no open task {number}")
    typer.echo(f"task {number} is closed")
