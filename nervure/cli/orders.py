"""`nervure orders`: what was bought, and from where it is served."""

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table
from nervure.store.reports import ReportStore

app = group("What was bought.")


@app.command("explain")
def orders_explain(channel: str, order: str, settings: SettingsOption = None) -> None:
    """Show from where an order is served, and why."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).routing(channel, order)
    if found is None:
        fail(f"channel {channel!r} has no order {order!r}")
    for place, reason in found["reasons"].items():
        typer.echo(f"{place}: {reason}")
    rows = [(row["location"], row["state"], row["sku"], row["units"]) for row in found["served"]]
    print_table(("location", "state", "sku", "units"), rows)
    for row in found["shortfalls"]:
        typer.echo(f"shortfall: {row['units']} of {row['sku']}")
    for row in found["money_only"]:
        name = row["title"] or f"line {row['line']}"
        typer.echo(f"no goods: {row['units']} of {name!r}, {row['amount']} {row['currency']}")
