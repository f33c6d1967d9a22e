"""Opening the hub from its settings: database, master data, and the wires to the accounts."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from connectors.registry import channels as known_channels
from connectors.registry import suppliers as known_suppliers
from connectors.transport import Send, httpx_sender
from nervure.clock import Clock
from nervure.inventory.counts import CountLimits
from nervure.operations.hub import Account, Hub, Search, SupplierAccount
from nervure.operations.import_items import ItemLoader
from nervure.operations.import_stock import StockLoader
from nervure.operations.imports import take_whole
from nervure.operations.restores import notice
from nervure.orders.costs import micros
from nervure.orders.declines import AskAgain
from nervure.orders.options import ShortfallPolicy
from nervure.orders.rules import Routing
from nervure.publication.earned import Earning
from nervure.publication.shadow import Promotion
from nervure.publication.zero_guard import ZeroGuard
from nervure.settings import ChannelSection, LocationSection, Settings, SettingsError, ShortfallSection
from nervure.store.database import Connection, open_database
from nervure.store.earned import EarnedStore
from nervure.store.imports import ImportStore
from nervure.store.inbox import InboxStore
from nervure.store.locations import LocationStore
from nervure.store.migrations import upgrade
from nervure.store.routing import RoutingStore
from nervure.store.scope import ScopeStore
from nervure.store.stock_points import StockPointStore
from schemas.capabilities import WriteMode
from schemas.locations import Location, LocationKind
from schemas.substitution import OptionKind


@contextmanager
def open_hub(settings: Settings, clock: Clock) -> Iterator[Hub]:
    """Opens the hub that the settings describe: migrates its database and writes its master data.

    Raises:
        SettingsError: a file that the settings name cannot be used.
        DatabaseError: the database cannot be used.
    """
    database = open_database(settings.hub.database)
    with ExitStack() as stack:
        stack.callback(database.close)
        upgrade(database)
        wires = _Wires(stack)
        hub = Hub(
            database=database,
            clock=clock,
            accounts={
                section.account.name: Account(
                    known_channels()[section.platform],
                    section.account,
                    section.order_poll_seconds,
                    creates_items=section.creates_items,
                    drift=section.drift,
                    promotion=Promotion(**section.promotion.model_dump()),
                    zero_guard=ZeroGuard(**section.zero_guard.model_dump()),
                    shortfalls=_shortfall_policy(section.shortfalls),
                    earning=_earning(section),
                )
                for section in settings.channels
            },
            suppliers={
                section.exchange.name: SupplierAccount(known_suppliers()[section.platform], section.exchange)
                for section in settings.suppliers
            },
            wire=wires.open,
            callback_url=settings.hub.callback_url,
            personal_data_days=settings.hub.personal_data_days,
            count_limits=CountLimits(
                units=settings.hub.count_limit_units,
                share=settings.hub.count_limit_share,
                value=settings.hub.count_limit_value,
            ),
            search=None
            if settings.hub.search_days is None
            else Search(settings.hub.search_days, settings.hub.search_places),
        )
        database.run(lambda connection: write_master_data(connection, settings, clock.now()))
        notice(hub)
        yield hub


def _shortfall_policy(section: ShortfallSection) -> ShortfallPolicy:
    return ShortfallPolicy(
        {kind: getattr(section, kind.value) for kind in OptionKind},
        timedelta(hours=section.answer_hours),
        section.at_deadline,
        section.most_substitutes,
    )


def _earning(section: ChannelSection) -> Earning | None:
    """How a channel earns its buffers; None where it does not, or where its platform refuses stale writes."""
    said = section.earned
    if section.buffer != "earned" or said is None:
        return None
    write_mode = known_channels()[section.platform].capabilities.write_mode
    if write_mode is WriteMode.COMPARE_AND_SET and not said.also_compare_and_set:
        return None
    is_share = isinstance(said.margin, str)
    return Earning(
        cancellation=micros(said.cancellation_cost),
        margin=None if isinstance(said.margin, str) else micros(said.margin),
        margin_percent=int(str(said.margin).rstrip(" %")) if is_share else 0,
        most_units=said.most_units,
    )


class _Wires:
    """One HTTP wire for each account, opened when first used, closed with the hub."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[str, Send] = {}
        self._lock = Lock()

    def open(self, account: str, url: str) -> Send:
        with self._lock:
            if account not in self._open:
                self._open[account] = self._stack.enter_context(httpx_sender(url))
            return self._open[account]


def write_master_data(connection: Connection, settings: Settings, now: datetime) -> None:
    """Writes locations, items, channels and opening stock as the settings say; done again it changes nothing.

    What is in the database and not in the settings is kept; of channels it is neither read nor written.

    Raises:
        SettingsError: a file cannot be used, or a stock point names an unknown location.
    """
    write_locations(connection, settings, now)
    own = {section.code: section.routing for section in settings.locations if section.routing}
    again = AskAgain(timedelta(seconds=settings.desk.ask_again_after_seconds), settings.desk.ask_again_times)
    RoutingStore(connection, now).put(Routing(settings.routing, own, settings.desk.offer_to, again))
    locations = ImportStore(connection, now).locations()
    if settings.hub.items is not None:
        take_whole(connection, settings.hub.items, ItemLoader(skips_former_names=True), now)
    stock_points = StockPointStore(connection, now)
    for channel in settings.channels:
        stock_points.put_channel(
            channel.account.name,
            channel.platform,
            buffer_units=channel.buffer_units,
            stock_points={point: _known(point, channel, locations) for point in channel.stock_points},
            orders_since=now,
            needs_cutover=channel.needs_cutover,
            is_shadow=channel.mode == "shadow",
        )
    _keep_to(connection, settings, now)
    EarnedStore(connection, now).keep_to([section.account.name for section in settings.channels if _earning(section)])
    if settings.hub.opening_stock is not None:
        take_whole(connection, settings.hub.opening_stock, StockLoader(skips_places_with_stock=True), now)


def _ttl_without_exchange(section: LocationSection) -> float | None:
    """A supplier of whom nobody says what it has (any more) promises nothing."""
    return 0.0 if section.kind is LocationKind.SUPPLIER and section.master is None else None


def _keep_to(connection: Connection, settings: Settings, now: datetime) -> None:
    """What the settings do not name any more is not written to; what they name again comes back."""
    scope = ScopeStore(connection, now)
    scope.keep_locations([section.code for section in settings.locations])
    scope.keep_channels([channel.account.name for channel in settings.channels])
    for channel in scope.settle():
        inbox = InboxStore(connection, now)
        inbox.replay(reason_like=f"channel {channel!r} is not configured")
        inbox.replay(reason_like=f"of channel {channel!r} stands for no location")


def write_locations(connection: Connection, settings: Settings, now: datetime) -> None:
    """Writes the locations that the settings name. Those that were imported are left as they are."""
    locations = LocationStore(connection, now)
    suppliers = {section.location: section.exchange for section in settings.suppliers}
    for section in settings.locations:
        exchange = suppliers.get(section.code)
        if exchange is not None and section.kind is not LocationKind.SUPPLIER:
            raise SettingsError(f"location {section.code!r} of supplier {exchange.name!r} must be of kind 'supplier'")
        locations.put(
            Location.model_validate(section.model_dump(exclude={"master", "routing"})),
            master=exchange.name if exchange else section.master,
            ttl_seconds=exchange.ttl_seconds if exchange else _ttl_without_exchange(section),
        )


def _known(point: str, channel: ChannelSection, locations: Mapping[str, Mapping[str, Any]]) -> list[int]:
    for code in channel.stock_points[point]:
        where = f"stock point {point!r} of channel {channel.account.name!r} names location {code!r}"
        if code not in locations:
            raise SettingsError(f"{where}, which is neither declared nor imported")
        if locations[code]["kind"] == LocationKind.IN_TRANSIT:
            raise SettingsError(f"{where}: what is in transit cannot be sold")
    return [int(locations[code]["id"]) for code in channel.stock_points[point]]
