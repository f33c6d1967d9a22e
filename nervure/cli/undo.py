"""`nervure undo`: taking a document back."""

from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, opened_hub, print_table
from nervure.operations.undo import preview
from nervure.operations.undo import undo as undo_document

app = typer.Typer()


@app.command(rich_help_panel="Your stock")
def undo(
    document: Annotated[str, typer.Argument(help="As the ledger calls it, or as you called it when you booked it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Take back every movement of a document that was booked by hand. Again it changes nothing."""
    with opened_hub(settings) as hub:
        done = preview(hub, document) if dry_run else undo_document(hub, document)
    if not done.entries:
        typer.echo(f"{done.document} was undone before")
        return
    print_table(
        ("sku", "location", "owner", "condition", "lot", "units", ""),
        [
            (
                one.sku,
                one.location,
                one.owner,
                one.condition,
                one.lot,
                f"{one.units:+}",
                "a count has seen it" if one.is_counted else "",
            )
            for one in done.entries
        ],
    )
    typer.echo(f"{done.document} would be undone" if dry_run else f"{done.document} is undone")
