"""`nervure shortfalls`: what cannot be served, what could become of it, and what was chosen."""

from typing import Annotated

import typer

from nervure.cli.common import (
    SettingsOption,
    about_channel,
    fail,
    group,
    opened_hub,
    print_table,
    require_channel,
    say,
)
from nervure.operations.choosing import choose_for
from nervure.operations.shortfalls import list_shortfalls, options_of
from nervure.orders.options import said_due
from nervure.store.substitution import SubstitutionStore
from schemas.base import counted

app = group("Units of accepted orders that cannot be served, and what may become of them.")


@app.command("list")
def shortfalls_list(
    channel: Annotated[str | None, typer.Option(help="Of this channel alone.")] = None, settings: SettingsOption = None
) -> None:
    """List lines that lack units, oldest order first, and what was proposed for them."""
    with opened_hub(settings) as hub:
        if channel is not None:
            require_channel(hub, channel)
        found = list_shortfalls(hub, channel)
    if not found:
        say("nothing is short")
        return
    print_table(
        ("channel", "order", "line", "sku", "units", "promised by", "proposed", "answer by"),
        [
            (
                short.channel,
                short.number or short.order,
                short.line,
                short.sku,
                short.units_short,
                short.promised_on or "-",
                ", ".join(one.key for one in proposal.options) if proposal else "-",
                f"{proposal.expires_at:%Y-%m-%d %H:%M} UTC" if proposal else "-",
            )
            for short, proposal in found
        ],
    )


@app.command("options")
def shortfalls_options(channel: str, order: str, settings: SettingsOption = None) -> None:
    """Show what could become now of what an order lacks, and what was proposed with its link."""
    with opened_hub(settings) as hub, about_channel(hub, channel):
        found = options_of(hub, channel, order)
    for one in found:
        lacks = counted(one.short.units_short, f"of {one.short.sku} is", f"of {one.short.sku} are")
        say(f"line {one.short.line}: {lacks} missing")
        currency = one.short.paid.currency
        print_table(
            ("option", "on", "to pay", "why"),
            [(each.key, each.on or "-", said_due(each.due, currency), each.reason) for each in one.options],
        )
        if one.proposal is not None:
            keys = ", ".join(each.key for each in one.proposal.options)
            say(f"proposed: {keys}; to be answered by {one.proposal.expires_at:%Y-%m-%d %H:%M} UTC")
            say(f"the customer's link: /proposals/{one.proposal.token}")


@app.command("choose")
def shortfalls_choose(
    channel: str,
    order: str,
    option: str,
    *,
    by: Annotated[str, typer.Option(help="Who chose, such as the customer on the phone.")] = "the staff",
    line: Annotated[str | None, typer.Option(help="Which line, where several wait for an answer.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Carry out one of the options that were proposed. The first answer counts."""
    with opened_hub(settings) as hub, about_channel(hub, channel):
        done = choose_for(hub, channel, order, option, line=line, by=by)
    chosen = next(one for one in done.options if one.key == done.chosen)
    say(f"order {done.order_number}, {done.units} of {done.sku}: {chosen.reason}")


@app.command("groups")
def shortfalls_groups(settings: SettingsOption = None) -> None:
    """List which items may take each other's place."""
    with opened_hub(settings) as hub, hub.database.read() as connection:
        found = SubstitutionStore(connection).groups()
    rows = [
        (one.name, one.relation, member.sku, member.rank, member.price or "-", one.same, one.up, one.down)
        for one in found.values()
        for member in one.members
    ]
    if not rows:
        say("no groups: write them with `nervure import substitutes`")
        return
    print_table(("group", "relation", "sku", "rank", "price", "same", "up", "down"), rows)


@app.command("forget-group")
def shortfalls_forget_group(name: str, settings: SettingsOption = None) -> None:
    """Take a group back. What was proposed by it stays proposed."""
    with opened_hub(settings) as hub:
        gone = hub.database.run(lambda connection: SubstitutionStore(connection).remove(name))
    if not gone:
        fail(f"there is no group {name!r}")
    say(f"group {name} is forgotten")
