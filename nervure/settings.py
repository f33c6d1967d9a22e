"""What a merchant sets, section by section, and what must hold between the sections."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.records import ChannelSettings, SupplierSettings
from nervure.publication.zero_guard import OnMassZero
from schemas.base import Code
from schemas.locations import Location, LocationKind
from schemas.publications import DriftPolicy
from schemas.routing import LocationRouting, RoutingSettings
from schemas.substitution import AtDeadline, Consent


class SettingsError(Exception):
    """The settings cannot be used: one sentence that says where and what to do."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSection(_Section):
    """The hub itself. `callback_url` is where platforms reach `/webhooks/…` from outside; None: no webhooks.

    `items` and `opening_stock` name CSV files. `ui_port` is Prefect's. `count_limit_...`: a counted difference above
    one of them (units, share of the expected units, value at the supplier's price) needs a second person. What an order
    lacks is counted at `search_places` that had it last and have not counted it for `search_days`; None: it is not.
    """

    database: str = "sqlite:///nervure.db"
    host: str = "127.0.0.1"
    port: int = 8765
    ui_port: int = 4200
    callback_url: str | None = None
    api_token: SecretStr | None = None
    items: Path | None = None
    opening_stock: Path | None = None
    personal_data_days: int = Field(default=90, gt=0)
    count_limit_units: int | None = Field(default=5, ge=0)
    count_limit_share: float | None = Field(default=None, ge=0)
    count_limit_value: Decimal | None = Field(default=None, ge=0)
    search_days: int | None = Field(default=None, ge=1, le=3650)
    search_places: int = Field(default=3, ge=1, le=100)


class LocationSection(Location):
    """A location, and who counts there: the hub, or the channel of that name."""

    master: Code | None = None
    routing: LocationRouting | None = None


class ZeroGuardSection(_Section):
    """How much of a channel may fall to 0 at once before a person is asked, and what happens meanwhile.

    `share`: of the listings that show something, 0 to 1; both it and `listings` must be reached, or `most` alone.
    """

    action: OnMassZero = OnMassZero.HOLD
    listings: int = Field(default=20, ge=1)
    share: float = Field(default=0.2, ge=0, le=1)
    most: int | None = Field(default=None, ge=1)
    window_seconds: float = Field(default=900.0, gt=0)


class PromotionSection(_Section):
    """When a channel may leave the shadow: at most this share of its numbers differs, so many whole days in a row."""

    share: float = Field(default=0.01, ge=0, le=1)
    days: int = Field(default=3, ge=1)


class ShortfallSection(_Section):
    """What may become of units of an accepted order that cannot be served: by itself, by asking, or not at all.

    `at_deadline`: what happens when the customer has not answered within `answer_hours`.
    """

    variant: Consent = Consent.NEVER
    higher_model: Consent = Consent.NEVER
    pickup: Consent = Consent.NEVER
    later: Consent = Consent.NEVER
    lower_model: Consent = Consent.NEVER
    cancel: Consent = Consent.NEVER
    answer_hours: float = Field(default=48.0, gt=0, le=24 * 31)
    at_deadline: AtDeadline = AtDeadline.WAIT
    most_substitutes: int = Field(default=3, ge=1, le=20)

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        if self.at_deadline is AtDeadline.CANCEL and self.cancel is Consent.NEVER:
            raise ValueError('at_deadline = "cancel" needs cancel to be "ask" or "auto"')
        return self


class EarnedSection(_Section):
    """What buffers are earned for: euros that a cancellation costs, and the margin of a sale, in euros or as "30 %".

    `most_units`: no buffer is higher. `also_compare_and_set`: also where the platform refuses a write that has not
    heard its last sale.
    """

    cancellation_cost: Decimal = Field(gt=0)
    margin: Annotated[Decimal, Field(ge=0)] | Annotated[str, Field(pattern=r"^(100|[0-9]{1,2}) ?%$")]
    most_units: int = Field(default=10, ge=1, le=1_000)
    also_compare_and_set: bool = False


class ChannelSection(_Section):
    """One account: what every platform has here, the platform's own settings in `account`.

    `stock_points` maps each of the platform's places to the locations it stands for, best first. `creates_items`:
    a listing whose sku is unknown becomes an item. `needs_cutover`: nothing is sent to a new channel before
    `nervure cutover go`; False: the account is empty, or the hub has been its only master before. `mode` shadow:
    it is read and sent nothing, until `nervure promote`.
    `drift`: what is done about a number that somebody else changed on the channel. `shortfalls`: what may become of
    units that cannot be served.
    `buffer`: set by hand, or earned as `earned` says; then `buffer_units` is the least that is kept back.
    """

    platform: str
    stock_points: dict[str, Annotated[tuple[Code, ...], Field(min_length=1)]]
    buffer_units: int = Field(default=0, ge=0)
    buffer: Literal["set", "earned"] = "set"
    earned: EarnedSection | None = None
    order_poll_seconds: float | None = Field(default=None, gt=0)
    creates_items: bool = False
    needs_cutover: bool = True
    drift: DriftPolicy = DriftPolicy.REPAIR
    mode: Literal["live", "shadow"] = "live"
    promotion: PromotionSection = PromotionSection()
    zero_guard: ZeroGuardSection = ZeroGuardSection()
    shortfalls: ShortfallSection = ShortfallSection()
    account: ChannelSettings


class SupplierSection(_Section):
    """One supplier: its location, and the exchange's own settings in `exchange`."""

    platform: str
    location: Code
    exchange: SupplierSettings


class DeskSection(_Section):
    """`offer_to`: so many stores are asked at once who does a part of an order that goes to a store.

    `ask_again_...`: a location that declined for what may pass is asked again after a while, so many times at most.
    """

    offer_to: int = Field(default=1, ge=1, le=20)
    ask_again_after_seconds: float = Field(default=7200, ge=0, le=31_536_000)
    ask_again_times: int = Field(default=2, ge=0, le=20)


class Settings(_Section):
    """Everything a merchant sets."""

    hub: HubSection
    locations: tuple[LocationSection, ...]
    channels: tuple[ChannelSection, ...] = ()
    suppliers: tuple[SupplierSection, ...] = ()
    routing: RoutingSettings | None = None
    desk: DeskSection = DeskSection()


def check(settings: Settings, name: str) -> None:
    """What must hold between the sections; `name`: what the file is called.

    Raises:
        SettingsError: it does not.
    """
    _check_names(settings, name)
    for location in settings.locations:
        _check_master(settings, location, name)
        _check_contract(settings, location, name)


def _check_names(settings: Settings, name: str) -> None:
    """Everything that is named must be there, and nothing twice."""
    locations = [location.code for location in settings.locations]
    accounts = [section.account.name for section in settings.channels] + [
        section.exchange.name for section in settings.suppliers
    ]
    for kind, names in (("location", locations), ("channel or supplier", accounts)):
        twice = {one for one in names if names.count(one) > 1}
        if twice:
            raise SettingsError(f"{name}: {kind} {sorted(twice)[0]!r} is there twice")
    if not locations:
        raise SettingsError(f"{name}: at least one [[locations]] is needed")
    _check_stock_points(settings, name)
    for zone in settings.routing.zones if settings.routing else ():
        unknown = sorted(set(zone.locations) - set(locations))
        if unknown:
            raise SettingsError(f"{name}: zone {zone.name!r} names location {unknown[0]!r}, which is not declared")
    for supplier in settings.suppliers:
        if supplier.location not in locations:
            raise SettingsError(
                f"{name}: supplier {supplier.exchange.name!r} names location {supplier.location!r},"
                " which is not declared"
            )


def _check_stock_points(settings: Settings, name: str) -> None:
    """A stock point stands for places from which something can be sold. The database alone knows those imported."""
    kinds = {location.code: location.kind for location in settings.locations}
    for channel in settings.channels:
        if channel.buffer == "earned" and channel.earned is None:
            raise SettingsError(
                f"{name}: the buffer of channel {channel.account.name!r} is earned: say what for in [channels.earned],"
                " cancellation_cost and margin"
            )
        for point, codes in channel.stock_points.items():
            for code in codes:
                where = f"{name}: stock point {point!r} of channel {channel.account.name!r} names location {code!r}"
                if kinds.get(code) is LocationKind.IN_TRANSIT:
                    raise SettingsError(f"{where}: what is in transit cannot be sold")


def _check_contract(settings: Settings, location: LocationSection, name: str) -> None:
    """A contract is a supplier's, and names channels that are there."""
    contract = location.routing.contract if location.routing else None
    if contract is None:
        return
    if location.kind is not LocationKind.SUPPLIER:
        raise SettingsError(f"{name}: location {location.code!r} has a contract, and is no supplier's")
    unknown = sorted(set(contract.channels) - {channel.account.name for channel in settings.channels})
    if unknown:
        raise SettingsError(
            f"{name}: the contract of location {location.code!r} names channel {unknown[0]!r}, which is not declared"
        )


def _check_master(settings: Settings, location: LocationSection, name: str) -> None:
    """Who counts at a location must have a number for it alone; a supplier's location has no other master."""
    if location.master is None:
        return
    where = f"{name}: location {location.code!r} has master {location.master!r}"
    for supplier in settings.suppliers:
        if supplier.location == location.code and supplier.exchange.name != location.master:
            raise SettingsError(f"{where}, and is the place of supplier {supplier.exchange.name!r}")
        if supplier.exchange.name == location.master and supplier.location != location.code:
            raise SettingsError(f"{where}, which is the supplier of {supplier.location!r}")
    accounts = {channel.account.name: channel for channel in settings.channels}
    if location.master in {supplier.exchange.name for supplier in settings.suppliers}:
        return
    if location.master not in accounts:
        raise SettingsError(f"{where}, which is no channel and no supplier")
    if (location.code,) not in accounts[location.master].stock_points.values():
        raise SettingsError(f"{where}, which has no stock point for this location alone")
