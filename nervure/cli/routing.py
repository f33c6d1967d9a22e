"""`nervure route`: from where an order is served, in euros."""

from collections.abc import Mapping
from json import dumps
from typing import Annotated, Any

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, say
from nervure.store.order_pages import OrderPage, OrderPageStore

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
    with opened_hub(settings) as hub, hub.database.read() as connection:
        store = OrderPageStore(connection)
        named = store.named(order, channel)
        found = store.page(named[0].channel, named[0].external_id) if len(named) == 1 else None
    if found is None:
        names = sorted({one.channel for one in named})
        fail(f"order {order!r} is on {', '.join(names)}: say --channel" if names else f"no order {order!r}")
    if as_json:
        say(dumps({"channel": found.order.channel, "order": order, **_as_document(found)}, indent=2, default=str))
        return
    if found.bill:
        _say_bill(found.bill)
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


def _say_bill(bill: Mapping[str, Any]) -> None:
    proof = "no plan is cheaper" if bill["is_proved"] else f"at most {bill['gap']} above the cheapest"
    if bill["method"] != "cost":
        proof = f"in the order of {bill['method']}"
    say(f"{bill['cost']} euros, of that {bill['split']} for splitting; {proof}")
    rows = [
        (
            place,
            "chosen" if row["is_chosen"] else "outranked",
            row["units"],
            row["total"],
            ", ".join(f"{name} {amount}" for name, amount in row["costs"].items()),
        )
        for place, row in bill["locations"].items()
    ]
    print_table(("location", "", "units", "euros", "of that"), rows)
