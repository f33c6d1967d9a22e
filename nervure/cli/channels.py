"""`nervure channels`: the accounts where we sell."""

from pathlib import Path
from typing import Annotated

import typer

from connectors.errors import ConnectorError, ShadowError
from nervure.cli.common import SettingsOption, fail, group, opened_hub, print_table, require_channel
from nervure.operations.hub import Hub
from nervure.operations.pull import pull_catalogue
from nervure.operations.webhooks import callback_url
from nervure.store.bindings import BindingStore, bind_channel
from nervure.store.channels import ChannelStore
from nervure.store.drift import DriftStore
from nervure.store.zeros import HeldZero, ZeroStore
from schemas.base import counted

app = group("The accounts where you sell: check, bind, pause, decide on zeros.")


@app.command("check")
def channels_check(settings: SettingsOption = None) -> None:
    """Sign in everywhere, and say what each account answers."""
    failed = 0
    with opened_hub(settings) as hub:
        for name in hub.accounts:
            try:
                typer.echo(f"{name}: {hub.connection(name).check()}")
            except ConnectorError as error:
                failed += 1
                typer.echo(f"{name}: {error}", err=True)
        for name in hub.suppliers:
            try:
                with hub.supplier(name) as exchange:
                    typer.echo(f"{name}: {exchange.check()}")
            except ConnectorError as error:
                failed += 1
                typer.echo(f"{name}: {error}", err=True)
    if failed:
        fail(f"{counted(failed, 'account')} cannot be used yet")


@app.command("subscribe")
def channels_subscribe(settings: SettingsOption = None) -> None:
    """Make the webhook subscriptions that are missing."""
    with opened_hub(settings) as hub:
        if hub.callback_url is None:
            fail("settings say no hub.callback_url: platforms cannot reach this hub")
        for name, account in hub.accounts.items():
            if account.record.capabilities.has_webhooks:
                try:
                    made = hub.connection(name).ensure_webhooks(callback_url(hub, name))
                except ShadowError as error:
                    typer.echo(str(error))
                    continue
                typer.echo(f"{name}: {', '.join(made) or 'nothing was missing'}")


@app.command("bind")
def channels_bind(channel: str, settings: SettingsOption = None) -> None:
    """Bind a channel's listings to items, and pull its catalogue now; the running hub binds what is new in it."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        bound = hub.database.run(lambda c: bind_channel(c, hub.clock.now(), channel))
        typer.echo(f"{counted(bound, 'listing')} bound")
        typer.echo(f"{counted(pull_catalogue(hub, channel), 'new document')}")


@app.command("unbound")
def channels_unbound(channel: str, settings: SettingsOption = None) -> None:
    """List the listings of a channel that belong to no item, with the reason."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        with hub.database.read() as connection:
            found = BindingStore(connection).unbound(channel)
    if not found:
        typer.echo("every listing is bound")
        return
    print_table(("listing", "reason"), found)


@app.command("drift")
def channels_drift(
    channel: str,
    keep: Annotated[list[str] | None, typer.Option(help="Let what the channel shows of this sku stand.")] = None,
    send: Annotated[list[str] | None, typer.Option(help="Send our number of this sku again.")] = None,
    settings: SettingsOption = None,
) -> None:
    """List the numbers that somebody else changed on a channel and that stay for now; decide about some."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        for skus, keeps in ((keep, True), (send, False)):
            if skus:
                _decide(hub, channel, skus, keeps=keeps)
        with hub.database.read() as connection:
            found = DriftStore(connection, hub.clock.now()).listed(channel)
    if not found:
        typer.echo("nothing differs")
        return
    print_table(
        ("sku", "stock point", "shows", "ours", "state"),
        [(d.sku, d.stock_point, d.shown_units, d.our_units, "asked" if d.is_asked else "let stand") for d in found],
    )


def _decide(hub: Hub, channel: str, skus: list[str], *, keeps: bool) -> None:
    for sku in skus:
        if not hub.database.run(lambda c: DriftStore(c, hub.clock.now()).decide(channel, [sku], keeps=keeps)):  # noqa: B023 - runs at once
            fail(f"{channel} asks nothing about {sku!r}")
        typer.echo(f"{sku}: {'what the channel shows stands' if keeps else 'our number is sent again'}")


@app.command("pause")
def channels_pause(channel: str, settings: SettingsOption = None) -> None:
    """Stop publishing to a channel; orders are still heard."""
    _set_paused(channel, settings, is_paused=True)


@app.command("resume")
def channels_resume(channel: str, settings: SettingsOption = None) -> None:
    """Publish to a channel again."""
    _set_paused(channel, settings, is_paused=False)


@app.command("zeros")
def channels_zeros(channel: str, settings: SettingsOption = None) -> None:
    """List the numbers of a channel whose 0 is held, because too many fell to 0 at once, or was refused."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        with hub.database.read() as connection:
            held = ZeroStore(connection, hub.clock.now()).held(channel)
    if not held:
        typer.echo("no zero is held")
        return
    rows = [
        (one.sku, one.listing, one.stock_point, one.units_before, f"{one.fell_at:%Y-%m-%d %H:%M:%S}", _verdict(one))
        for one in held
    ]
    print_table(("sku", "listing", "stock point", "shows", "fell at (UTC)", "verdict"), rows)


def _verdict(zero: HeldZero) -> str:
    return "refused" if zero.is_refused else "held"


@app.command("accept-zeros")
def channels_accept_zeros(channel: str, settings: SettingsOption = None) -> None:
    """Say that the held zeroes of a channel are meant: they are sent."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        count = hub.database.run(lambda c: ZeroStore(c, hub.clock.now()).accept(channel))
    typer.echo(f"{channel}: {counted(count, 'zero')} will be sent")


@app.command("refuse-zeros")
def channels_refuse_zeros(channel: str, settings: SettingsOption = None) -> None:
    """Say that the held zeroes of a channel are wrong: they are kept back until the numbers are others."""
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        count = hub.database.run(lambda c: ZeroStore(c, hub.clock.now()).refuse(channel))
    typer.echo(f"{channel}: {counted(count, 'zero is', 'zeros are')} refused")


def _set_paused(channel: str, settings: Path | None, *, is_paused: bool) -> None:
    with opened_hub(settings) as hub:
        require_channel(hub, channel)
        hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).set_paused(channel, is_paused=is_paused))
    typer.echo(f"{channel}: {'paused' if is_paused else 'publishing'}")
