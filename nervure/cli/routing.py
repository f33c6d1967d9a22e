"""`nervure route`: from where an order is served, in euros."""

from json import dumps
from typing import Annotated, Any

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, say
from nervure.store.reports import ReportStore

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
        reports = ReportStore(connection, hub.clock.now())
        names = [name for name in reports.channels_with(order) if channel in (None, name)]
        found = reports.routing(names[0], order) if len(names) == 1 else None
    if found is None:
        fail(f"order {order!r} is on {', '.join(names)}: say --channel" if names else f"no order {order!r}")
    if as_json:
        say(dumps({"channel": names[0], "order": order, **found}, indent=2, default=str))
        return
    bill = found["bill"]
    if bill:
        _say_bill(bill)
    for place, reason in found["reasons"].items():
        if place not in bill.get("locations", {}):
            say(f"{place}: {reason}")
    for row in found["shortfalls"]:
        say(f"shortfall: {row['units']} of {row['sku']}")


def _say_bill(bill: dict[str, Any]) -> None:
    proof = "no plan is cheaper" if bill["is_proved"] else f"at most {bill['gap']} above the cheapest"
    if bill.get("missing_gap"):
        proof = f"at most {bill['missing_gap']} units fewer might be missing"
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
