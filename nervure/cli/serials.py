"""`nervure serials`: single units known by serial number or EPC."""

from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table
from nervure.operations.serials import (
    Box,
    Unit,
    find_serials,
    name_serials,
    put_serials,
    receive_serials,
    return_serials,
    track,
)
from schemas.base import counted
from schemas.stock import Condition

app = group("Single units known by serial number or EPC.")

SerialsArgument = Annotated[
    list[str], typer.Argument(metavar="SERIAL…", help="Serial numbers; SERIAL=EPC says the tag as well.")
]
DocumentOption = Annotated[str, typer.Option(help="What they came with; the same document again changes nothing.")]


@app.command("track")
def serials_track(
    sku: str,
    off: Annotated[bool, typer.Option("--off", help="Ask for them no longer.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Let a sku ask for serial numbers."""
    with opened_hub(settings) as hub:
        track(hub, sku, is_tracked=not off)
    typer.echo(f"{sku}: {'asks for no serial numbers' if off else 'asks for serial numbers'}")


@app.command("receive")
def serials_receive(
    sku: str, location: str, serials: SerialsArgument, document: DocumentOption, settings: SettingsOption = None
) -> None:
    """Book units that came in, one for each serial number."""
    with opened_hub(settings) as hub:
        done = receive_serials(hub, _box(sku, location, serials, document))
    typer.echo("booked" if done else "was booked before")


@app.command("put")
def serials_put(
    sku: str, location: str, serials: SerialsArgument, document: DocumentOption, settings: SettingsOption = None
) -> None:
    """Say which units lie at a location, where their units were booked or transferred without serial numbers."""
    with opened_hub(settings) as hub:
        count = put_serials(hub, _box(sku, location, serials, document))
    typer.echo(f"{counted(count, 'unit was', 'units were')} put at {location}")


@app.command("name")
def serials_name(
    fulfillment: int,
    serials: Annotated[list[str], typer.Argument(metavar="SERIAL…", help="Serial numbers or EPCs.")],
    settings: SettingsOption = None,
) -> None:
    """Say which units leave with a fulfillment order, or left with it."""
    with opened_hub(settings) as hub:
        count = name_serials(hub, fulfillment, serials)
    typer.echo(f"{counted(count, 'unit was', 'units were')} named")


@app.command("return")
def serials_return(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: str,
    serials: SerialsArgument,
    document: DocumentOption,
    condition: Annotated[Condition, typer.Option(help="In what condition they are.")] = Condition.SELLABLE,
    booked: Annotated[
        bool, typer.Option("--booked", help="The units were booked before, by a return that a channel told.")
    ] = False,
    settings: SettingsOption = None,
) -> None:
    """Take units back that had left."""
    with opened_hub(settings) as hub:
        done = return_serials(hub, _box(sku, location, serials, document), condition=condition, is_booked=booked)
    typer.echo("booked" if done else "was booked before")


@app.command("find")
def serials_find(text: Annotated[str, typer.Argument(metavar="SERIAL")], settings: SettingsOption = None) -> None:
    """Show where the units of a serial number or EPC are."""
    with opened_hub(settings) as hub:
        found = find_serials(hub, text)
    if not found:
        fail(f"serial {text!r} is not known")
    print_table(
        ("sku", "serial", "EPC", "where", "condition", "document"),
        [
            (one.sku, one.serial, one.epc or "", one.location or "has left", one.condition, one.document)
            for one in found
        ],
    )


def _box(sku: str, location: str, serials: list[str], document: str) -> Box:
    return Box(sku, location, tuple(_read(text) for text in serials), document)


def _read(text: str) -> Unit:
    serial, _, epc = text.partition("=")
    if not serial:
        fail(f"{text!r} names no serial number")
    return Unit(serial, epc or None)
