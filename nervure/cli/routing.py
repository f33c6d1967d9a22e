"""`nervure route`: from where an order is served, in euros."""

from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Annotated, Any

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, say
from nervure.operations.evaluate import Span, evaluate
from nervure.orders.comparison import COLUMNS, table, verdict
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
    if bill["method"] != "cost":
        proof = f"in the order of {bill['method']}"
    say(f"{bill['cost']} euros, of that {bill['split']} for splitting; {proof}")
    is_scarce = "scarcity" in bill
    if is_scarce:
        say(f"its units are worth {bill['scarcity']} euros more to later orders; nobody pays that, but it counted")
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
    if end < begin:
        fail("the last day is before the first one")
    span = Span(begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC) + timedelta(days=1))
    with opened_hub(settings) as hub:
        found = evaluate(hub, span, seeds=seeds, seconds=seconds)
    print_table(COLUMNS, table(found))
    say(verdict(found))
