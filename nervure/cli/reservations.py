"""`nervure stock reserve` and what follows: units held for a cart or a pending payment."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from nervure.cli.common import SettingsOption, about_channel, fail, opened_hub, print_table
from nervure.operations.carts import Destination
from nervure.operations.reservations import (
    MAX_HOLD_MINUTES,
    Reservation,
    Wish,
    give_to_order,
    look_up,
    make_reservation,
    release_reservation,
)
from schemas.base import MAX_UNITS

app = typer.Typer()

WishesArgument = Annotated[
    list[str], typer.Argument(metavar="SKU=UNITS…", help="What to hold; SKU=UNITS@LOCATION holds it there.")
]


@app.command("reserve")
def stock_reserve(
    reference: str,
    wishes: WishesArgument,
    minutes: Annotated[int, typer.Option(help="How long to hold.", min=1, max=MAX_HOLD_MINUTES)],
    *,
    channel: Annotated[str | None, typer.Option(help="From whose places, where no location is named.")] = None,
    country: Annotated[str | None, typer.Option(help="Where it would go, as two capital letters.")] = None,
    postal_code: Annotated[str | None, typer.Option("--postal-code", help="The postal code there.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Hold units for a cart or a pending payment: all of them or none."""
    wanted = [_read(text) for text in wishes]
    with opened_hub(settings) as hub, about_channel(hub, channel):
        expires_at = hub.clock.now() + timedelta(minutes=minutes)
        made = make_reservation(
            hub, reference, wanted, expires_at=expires_at, channel=channel, destination=_to(country, postal_code)
        )
    _show(made)


@app.command("unreserve")
def stock_unreserve(reference: str, settings: SettingsOption = None) -> None:
    """End a hold and give its units back."""
    with opened_hub(settings) as hub:
        done = release_reservation(hub, reference)
    typer.echo("released" if done else "had ended before")


@app.command("reservation")
def stock_reservation(reference: str, settings: SettingsOption = None) -> None:
    """Show what a reservation holds, or what became of it."""
    with opened_hub(settings) as hub:
        found = look_up(hub, reference)
    _show(found)


@app.command("convert")
def stock_convert(reference: str, channel: str, order: str, settings: SettingsOption = None) -> None:
    """Say which order a hold was for: the order takes the units over."""
    with opened_hub(settings) as hub, about_channel(hub, channel):
        found = give_to_order(hub, reference, channel, order)
    match found.state:
        case "consumed":
            typer.echo(f"order {order} of {channel} has the units")
        case "held":
            typer.echo(f"order {order} of {channel} takes the units once it is heard and counts")
        case ended:
            typer.echo(f"{reference} was {ended} before: the order claims as any other does")


def _to(country: str | None, postal_code: str | None) -> Destination | None:
    if country is None:
        if postal_code is not None:
            fail("a postal code needs --country")
        return None
    if not re.fullmatch("[A-Z]{2}", country):
        fail(f"--country {country!r} is not two capital letters")
    return Destination(country, postal_code)


def _read(text: str) -> Wish:
    sku, _, rest = text.rpartition("=")
    units, at, location = rest.partition("@")
    if not sku or not (units.isascii() and units.isdigit()) or (at and not location):
        fail(f"{text!r} is not SKU=UNITS or SKU=UNITS@LOCATION")
    if not 0 < int(units) <= MAX_UNITS:
        fail(f"{text!r}: units must be 1 to {MAX_UNITS}")
    return Wish(sku, int(units), location or None)


def _show(found: Reservation) -> None:
    until = f" until {found.expires_at:%Y-%m-%d %H:%M} UTC" if found.state == "held" else ""
    order = f" by order {found.order} of {found.channel}" if found.state == "consumed" else ""
    typer.echo(f"{found.reference}: {found.state}{until}{order}")
    print_table(("sku", "location", "units"), [(one.sku, one.location, one.units) for one in found.held])
