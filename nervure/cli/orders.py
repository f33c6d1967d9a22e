"""`nervure orders`: what was bought, and from where it is served."""

import typer

from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, require_channel
from nervure.operations.shortfalls import proposals_of
from nervure.store.order_pages import OrderPageStore

app = group("From where an order is served, and why; give a part of it to another place.")


@app.command("explain")
def orders_explain(channel: str, order: str, settings: SettingsOption = None) -> None:
    """Show from where an order is served, and why."""
    with opened_hub(settings) as hub:
        with hub.database.read() as connection:
            store = OrderPageStore(connection)
            named = store.named(order, channel)
            found = store.page(channel, named[0].external_id) if named else None
        if found is None:
            require_channel(hub, channel)
            fail(f"channel {channel!r} has no order {order!r}")
        proposals = proposals_of(hub, channel, order)
    for place, reason in found.reasons.items():
        typer.echo(f"{place}: {reason}")
    print_table(("location", "state", "sku", "units"), found.served)
    for sku, units in found.shortfalls:
        typer.echo(f"shortfall: {units} of {sku}")
    for one in proposals:
        typer.echo(one.sentence)
    for row in found.money_only:
        name = row["title"] or f"line {row['line']}"
        typer.echo(f"no goods: {row['units']} of {name!r}, {row['amount']} {row['currency']}")
