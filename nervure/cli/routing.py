"""`nervure route`: from where an order is served, in euros."""

from collections.abc import Mapping
from datetime import datetime
from json import dumps
from typing import Annotated, Any

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, require_channel, say
from nervure.operations.evaluate import Span, evaluate
from nervure.operations.periods import whole_days
from nervure.operations.replanning import Replanned, replan_open_orders
from nervure.orders.comparison import COLUMNS, table, verdict
from nervure.orders.costs import euros
from nervure.orders.replanning import Move
from nervure.store.order_pages import OrderPage, OrderPageStore
from schemas.base import counted

app = group("From where orders are served, in euros.")


@app.callback()
def route() -> None:
    """From where orders are served, in euros."""


@app.command("explain")
def route_explain(
    order: str,
    channel: Annotated[str | None, typer.Option(help="Whose order it is, where several have one of that name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Show what an order's plan costs, and why each location was kept, dropped or outranked."""
    with opened_hub(settings) as hub:
        with hub.database.read() as connection:
            store = OrderPageStore(connection)
            named = store.named(order, channel)
            found = store.page(named[0].channel, named[0].external_id) if len(named) == 1 else None
        if channel is not None and not named:
            require_channel(hub, channel)
    if found is None:
        names = sorted({one.channel for one in named})
        fail(f"order {order!r} is on {', '.join(names)}: say --channel" if names else f"no order {order!r}")
    if as_json:
        say(dumps({"channel": found.order.channel, "order": order, **_as_document(found)}, indent=2, default=str))
        return
    for sentence in found.said_of_the_bill:
        say(sentence)
    if found.bill:
        _print_bill(found.bill)
    for place, reason in found.beside_the_bill.items():
        say(f"{place}: {reason}")
    for sku, units in found.shortfalls:
        say(f"shortfall: {units} of {sku}")


def _as_document(found: OrderPage) -> dict[str, Any]:
    return {
        "reasons": found.reasons,
        "bill": found.bill,
        "served": [
            {"location": location, "state": state, "sku": sku, "units": units}
            for location, state, sku, units in found.served
        ],
        "shortfalls": [{"sku": sku, "units": units} for sku, units in found.shortfalls],
        "money_only": found.money_only,
    }


@app.command("replan")
def route_replan(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    by: Annotated[str, typer.Option(help="Who asks for it.")] = "",
    settings: SettingsOption = None,
) -> None:
    """Plan open orders anew together, and give each part to where it is served best."""
    with opened_hub(settings) as hub:
        found = replan_open_orders(hub, by=by, dry_run=dry_run)
    moves = [move for group in found.plan.groups for move in group] if dry_run else found.made
    if moves:
        print_table(("order", "from", "to", "saves euros", "units more"), [_row(move, found) for move in moves])
    plan, verb = found.plan, "would move" if dry_run else "moved"
    proof = f"at most {euros(plan.gap)} euros above the cheapest" if plan.is_full else "more units may be served"
    say(
        f"{counted(plan.orders, 'open order')} planned together, {proof}: {len(moves)} {verb}, saves "
        f"{euros(sum(move.saved for move in moves))} euros"
    )
    if found.left_out:
        say(f"{found.left_out} more open orders were not planned this time: too many at once")
    spared = sum(move.spared for move in moves)
    if spared:
        say(
            f"what they give back is worth {euros(spared)} euros more to later orders; nobody pays that, but it counted"
        )
    if found.outdated:
        say(
            f"{counted(found.outdated, 'group')} of orders had changed meanwhile"
            f" and {'stays as it is' if found.outdated == 1 else 'stay as they are'}"
        )


def _row(move: Move, found: Replanned) -> tuple[object, ...]:
    before = sorted({found.locations[location] for _, location in move.order.held()})
    after = sorted({found.locations[pick.location_id] for pick in move.plan.picks})
    return found.names[move.order.id], " ".join(before), " ".join(after), euros(move.saved), move.units_gained


def _print_bill(bill: Mapping[str, Any]) -> None:
    is_scarce = "scarcity" in bill
    rows = [
        (
            place,
            "chosen" if row["is_chosen"] else "outranked",
            row["units"],
            row["total"],
            *([row["scarcity"]] if is_scarce else []),
            ", ".join(f"{name} {amount}" for name, amount in row["costs"].items()),
        )
        for place, row in bill["locations"].items()
    ]
    print_table(("location", "", "units", "euros", *(["scarcity"] if is_scarce else []), "of that"), rows)


@app.command("evaluate")
def route_evaluate(
    begin: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day (UTC).")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day (UTC).")],
    seeds: Annotated[int, typer.Option(min=1, max=100, help="So many draws of the futures prices come from.")] = 5,
    seconds: Annotated[float, typer.Option(min=1.0, help="So long hindsight is searched, for each draw.")] = 60.0,
    settings: SettingsOption = None,
) -> None:
    """Replay the hub's orders of a period by each rule, and show what they cost beside perfect hindsight."""
    span = Span(*whole_days(begin.date(), end.date()))
    with opened_hub(settings) as hub:
        found = evaluate(hub, span, seeds=seeds, seconds=seconds)
    print_table(COLUMNS, table(found))
    say(verdict(found))
