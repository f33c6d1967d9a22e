"""`nervure desk`: what a location has to do, step by step, and who may use its pages."""

from collections.abc import Sequence
from typing import Annotated

import typer

from nervure.cli.common import MAX_ID, SettingsOption, fail, group, opened_hub, print_table, say
from nervure.operations import desk, desk_users, giving_up, offers
from nervure.operations.desk import Actor
from nervure.store.handling import HandlingStore
from nervure.store.picking import PickingStore
from schemas.fulfillment import RejectReason

app = group("The store desk: what a location has to do.")
people = group("Who may use the pages of a desk.")
app.add_typer(people, name="user")

Number = Annotated[int, typer.Argument(min=1, max=MAX_ID)]
By = Annotated[str, typer.Option(help="Who does it.")]
At = Annotated[str | None, typer.Option(help="The location that answers, where several are asked.")]
Units = Annotated[list[str] | None, typer.Option(metavar="SKU=UNITS", help="May be given several times.")]


@app.command("queue")
def desk_queue(location: str, settings: SettingsOption = None) -> None:
    """Show what a location has to do, the most urgent first."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        store = PickingStore(connection, hub.clock.now())
        jobs, back = store.jobs(location), store.to_put_back(location)
    rows = [
        (
            job.number,
            "offered" if job.offered_to else job.state.value,
            job.channel,
            job.order,
            job.delivery.value,
            job.units,
            job.accept_by or "-",
            job.offered_to or "-",
        )
        for job in jobs
    ]
    print_table(("number", "state", "channel", "order", "delivery", "units", "accept by", "others"), rows)
    for job in back:
        say(f"{job.number} is canceled: put its goods back")


@app.command("show")
def desk_show(number: Number, settings: SettingsOption = None) -> None:
    """Show a fulfillment order: what to pick, and every step with who did it."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        store = PickingStore(connection, hub.clock.now())
        job, picks, others = store.job(number), store.picks(number), store.offers(number)
        events = HandlingStore(connection, hub.clock.now()).events(number)
    if job is None:
        fail(f"there is no fulfillment order {number}")
    say(f"{number} at {job.location}: {job.state.value}, {job.delivery.value}, {job.channel} order {job.order}")
    print_table(
        ("shelf", "sku", "gtin", "lots", "units", "picked"),
        [(p.shelf or "-", p.sku, p.gtin or "-", " ".join(p.lots) or "-", p.units, p.picked) for p in picks],
    )
    if others:
        print_table(("offered to", "state", "accept by"), others)
    print_table(
        ("at", "step", "where", "by", "reason"),
        [
            (
                f"{e.recorded_at:%Y-%m-%d %H:%M}",
                e.kind.value,
                e.location or job.location,
                e.by or "the hub",
                e.reason or "-",
            )
            for e in events
        ],
    )


@app.command("accept")
def desk_accept(number: Number, at: At = None, by: By = "", settings: SettingsOption = None) -> None:
    """The location will do it; of several that are asked, the first one."""
    with opened_hub(settings) as hub:
        done, there = offers.accept(hub, number, Actor(by, at))
    _answer(done, "accepted" if there == number else f"accepted, it is {there} at {at} now")


@app.command("reject")
def desk_reject(
    number: Number,
    reason: RejectReason,
    *,
    at: At = None,
    by: By = "",
    keeps: Units = None,
    settings: SettingsOption = None,
) -> None:
    """The location will not do it, or only what it keeps; the rest is served from elsewhere."""
    with opened_hub(settings) as hub:
        _answer(giving_up.reject(hub, number, reason, Actor(by, at), keeps=_units(keeps)), "rejected")


@app.command("pick")
def desk_pick(
    number: Number,
    scanned: Annotated[list[str] | None, typer.Argument(metavar="[GTIN or SKU]...")] = None,
    by: By = "",
    settings: SettingsOption = None,
) -> None:
    """Start picking, and count what was taken from the shelf."""
    with opened_hub(settings) as hub:
        _answer(desk.start_picking(hub, number, Actor(by)), "being picked")
        for one in scanned or []:
            say(f"{desk.pick(hub, number, one, Actor(by))} picked")


@app.command("pack")
def desk_pack(
    number: Number,
    unscanned: Annotated[bool, typer.Option("--unscanned", help="Not everything was checked by a scan.")] = False,
    by: By = "",
    settings: SettingsOption = None,
) -> None:
    """The goods are in their parcel or bag."""
    with opened_hub(settings) as hub:
        _answer(desk.pack(hub, number, Actor(by), unscanned=unscanned), "packed")


@app.command("ready")
def desk_ready(number: Number, by: By = "", settings: SettingsOption = None) -> None:
    """A pickup waits for its customer; prints the code to tell them."""
    with opened_hub(settings) as hub:
        done, code = desk.make_ready(hub, number, Actor(by))
    _answer(done, f"ready, code {code}")


@app.command("told")
def desk_told(number: Number, by: By = "", settings: SettingsOption = None) -> None:
    """The customer knows that it is ready."""
    with opened_hub(settings) as hub:
        _answer(desk.note_told(hub, number, Actor(by)), "told")


@app.command("hand-over")
def desk_hand_over(number: Number, code: str, by: By = "", only: Units = None, settings: SettingsOption = None) -> None:
    """The customer takes it, or a part, and knows the code."""
    with opened_hub(settings) as hub:
        done, part = desk.hand_over(hub, number, code, Actor(by), only=_units(only))
    _answer(done, "handed over" if part == number else f"handed over as {part}; the rest waits on as {number}")


@app.command("return")
def desk_return(number: Number, by: By = "", reason: str = "", settings: SettingsOption = None) -> None:
    """Nobody will fetch it: its goods are for sale again."""
    with opened_hub(settings) as hub:
        _answer(giving_up.return_to_sale(hub, number, Actor(by), reason=reason), "for sale again")


@app.command("shelf")
def desk_shelf(sku: str, location: str, shelf: str, settings: SettingsOption = None) -> None:
    """Write where an item lies at a location; '' forgets it."""
    with opened_hub(settings) as hub:
        desk.put_shelf(hub, sku, location, shelf)
    say(f"{sku} at {location}: {shelf or 'no shelf'}")


@people.command("add")
def user_add(
    location: str,
    name: str,
    password: Annotated[
        str | None, typer.Option(envvar="NERVURE_DESK_PASSWORD", help="Asked for where it is not given.")
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Let somebody use the desk of a location, or give them a new password."""
    said = password or str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    with opened_hub(settings) as hub:
        is_new = desk_users.add_user(hub, location, name, said)
    say(f"{name} may use the desk of {location}" + ("" if is_new else ", with the new password"))


@people.command("remove")
def user_remove(location: str, name: str, settings: SettingsOption = None) -> None:
    """Somebody may not use the desk any more."""
    with opened_hub(settings) as hub:
        desk_users.remove_user(hub, location, name)
    say(f"{name} may not use the desk of {location} any more")


@people.command("list")
def user_list(settings: SettingsOption = None) -> None:
    """Show who may use which desk."""
    with opened_hub(settings) as hub:
        print_table(("location", "name"), [(one.location, one.name) for one in desk_users.users(hub)])


def _answer(done: bool, what: str) -> None:
    say(what if done else f"{what}, as before")


def _units(texts: Sequence[str] | None) -> dict[str, int] | None:
    if not texts:
        return None
    found: dict[str, int] = {}
    for text in texts:
        sku, _, units = text.rpartition("=")
        if not sku or not units.isdigit():
            fail(f"{text!r} is not SKU=UNITS")
        found[sku] = int(units)
    return found
