"""`nervure orders`: what was bought, and from where it is served."""

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table
from nervure.operations.shortfalls import proposals_of
from nervure.store.proposals import ProposalSeen
from nervure.store.reports import ReportStore

app = group("What was bought.")


@app.command("explain")
def orders_explain(channel: str, order: str, settings: SettingsOption = None) -> None:
    """Show from where an order is served, and why."""
    with opened_hub(settings) as hub:
        with hub.database.read() as connection:
            found = ReportStore(connection, hub.clock.now()).routing(channel, order)
        proposals = proposals_of(hub, channel, order)
    if found is None:
        fail(f"channel {channel!r} has no order {order!r}")
    for place, reason in found["reasons"].items():
        typer.echo(f"{place}: {reason}")
    rows = [(row["location"], row["state"], row["sku"], row["units"]) for row in found["served"]]
    print_table(("location", "state", "sku", "units"), rows)
    for row in found["shortfalls"]:
        typer.echo(f"shortfall: {row['units']} of {row['sku']}")
    for one in proposals:
        typer.echo(_proposed(one))
    for row in found["money_only"]:
        name = row["title"] or f"line {row['line']}"
        typer.echo(f"no goods: {row['units']} of {name!r}, {row['amount']} {row['currency']}")


def _proposed(one: ProposalSeen) -> str:
    """What was proposed for missing units, and what became of it."""
    head = f"{one.opened_at:%Y-%m-%d %H:%M} UTC, {one.units} of {one.sku} missing"
    chosen = next((each.reason for each in one.options if each.key == one.chosen), "")
    match one.state:
        case "chosen":
            return f"{head}: {one.ended_by} chose {one.chosen}: {chosen}"
        case "open":
            keys = ", ".join(each.key for each in one.options)
            return f"{head}: proposed {keys}, to be answered by {one.expires_at:%Y-%m-%d %H:%M} UTC"
        case "expired":
            return f"{head}: nobody answered by {one.expires_at:%Y-%m-%d %H:%M} UTC"
        case _:
            return f"{head}: withdrawn, the units came or the order changed"
