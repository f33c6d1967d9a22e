"""`nervure inbox`: documents, and those that could not be understood."""

from typing import Annotated

import typer

from nervure.cli.common import MAX_ID, SettingsOption, fail, group, opened_hub, print_table
from nervure.store.inbox import InboxStore
from schemas.base import counted

app = group("Documents that could not be understood: list them, try them again.")


@app.command("list")
def inbox_list(settings: SettingsOption = None) -> None:
    """List the dead letters with their reasons, newest first."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        letters = InboxStore(connection, hub.clock.now()).dead()
    if not letters:
        typer.echo("no dead letters")
        return
    print_table(
        ("id", "channel", "topic", "document", "reason"),
        [(letter.id, letter.channel, letter.topic, letter.document_id, letter.reason) for letter in letters],
    )


@app.command("replay")
def inbox_replay(
    ids: Annotated[
        list[int] | None, typer.Argument(help="Dead letters to try again (default: all).", min=1, max=MAX_ID)
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Put dead letters back: the dispatcher tries them again."""
    with opened_hub(settings) as hub:
        count = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).replay(ids or None))
    if ids and count < len(set(ids)):
        fail(f"{len(set(ids)) - count} of these are no dead letters; {count} were put back")
    typer.echo(f"{counted(count, 'document')} will be tried again")


@app.command("accept")
def inbox_accept(number: Annotated[int, typer.Argument(min=1, max=MAX_ID)], settings: SettingsOption = None) -> None:
    """Take a held feed as it is: so large a change is meant. A feed that is damaged in itself stays held."""
    with opened_hub(settings) as hub:
        account = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).accept(number))
    if account is None:
        fail(f"document {number} is no dead letter")
    typer.echo(f"document {number} of {account} will be taken as it is")
