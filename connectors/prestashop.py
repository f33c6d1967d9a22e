"""PrestaShop 8 and 9: transport over the web service.

Facts: recorded answers of 8.0.4, the vendor's resource list for 8.x and the core's code for what moves stock, read
2026-11-22.

- One account is one key and one shop. Its stock point is the shop's id, or `group-<id>` where a group shares its stock.
- A key of one shop also reads and overwrites another shop's stock rows: every read is filtered by shop, every row
  checked, and a row is written only after it was seen in this shop.
- The shop takes units off its number when an order is placed, whatever its payment; a canceled order and a failed
  payment put them back. A level may go below 0.
- Writes: one PATCH a number, absolute, last writer wins, about 0.04 s each; its answer shows the number (0: left out).
- No webhooks and no rate limit in core; 429 and 503 of a host in front of it are obeyed.
- Cancelling some units of an order is not possible: writing order_details changes neither totals nor stock.
- The key needs GET on products, combinations, product_options, product_option_values, stock_availables, orders,
  order_details, order_slip, order_states, order_histories, order_carriers, customers, addresses, countries,
  currencies, shops, shop_groups and, for a check only, configurations; PATCH on stock_availables and order_carriers;
  POST on order_histories.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr

from connectors.errors import ConnectorError, ContractError, NoAnswerError, RefusedError, ScopeError
from connectors.prestashop_catalogue import Catalogue, Shelves
from connectors.prestashop_orders import Orders, document, earliest_utc, first_local
from connectors.prestashop_webservice import Row, Webservice
from connectors.records import WRITE_SECONDS, Channel, ChannelConnection, ChannelSettings, Page
from connectors.transport import Runtime
from mappings.prestashop import PLACE, translate
from schemas.capabilities import Capabilities, Confirmation, DecrementMoment, StockMeaning, WriteMode
from schemas.fulfillment import ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome

SILENCES_IN_A_ROW = 3
"""After so many writes without an answer the rest of a batch is not sent."""

TRACKING_CHARACTERS = 64

CAPABILITIES = Capabilities(
    stock_meaning=StockMeaning.AVAILABLE,
    committed_included=False,
    decrements_at=DecrementMoment.ORDER,
    restocks_on_cancel=True,
    write_mode=WriteMode.LAST_WRITER_WINS,
    confirmation=Confirmation.ANSWER,
    has_webhooks=False,
    can_push_ready=True,
    write_batch=100,
    read_batch=100,
    calls_per_minute=600.0,
    order_poll_seconds=60.0,
    stock_poll_seconds=600.0,
    order_overlap_seconds=600.0,
)


class PrestaShopSettings(ChannelSettings):
    """One shop.

    `id_shop_group` is given where the group shares its stock. The states are those of PS_OS_CANCELED, PS_OS_ERROR and
    PS_OS_REFUND; `shipped_state` None: the first one that has the flag. `ready_state`: the shop's own for what
    waits for its customer. `pickup_carriers`: those whose orders customers fetch; a carrier that is edited there gets
    another id. `time_zone` is the shop's PS_TIMEZONE.
    """

    key: SecretStr
    id_shop: int = Field(gt=0)
    id_shop_group: int | None = Field(default=None, gt=0)
    canceled_state: int = 6
    payment_error_state: int = 8
    refunded_state: int = 7
    shipped_state: int | None = None
    ready_state: int | None = None
    pickup_carriers: tuple[int, ...] = ()

    @property
    def stock_point(self) -> str:
        """The one number's place."""
        return str(self.id_shop) if self.id_shop_group is None else f"group-{self.id_shop_group}"


class PrestaShopConnection:
    """One signed-in shop."""

    def __init__(self, settings: PrestaShopSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._now = runtime.now
        self._zone = ZoneInfo(settings.time_zone)
        self._webservice = Webservice(settings.key.get_secret_value(), runtime)
        self._shelves = Shelves(self._webservice, settings.id_shop, settings.id_shop_group)
        roles = {
            "canceled": settings.canceled_state,
            "payment_error": settings.payment_error_state,
            "refunded": settings.refunded_state,
        }
        self._orders = Orders(
            self._webservice, settings.id_shop, roles, settings.stock_point, pickup_carriers=settings.pickup_carriers
        )

    def check(self) -> str:
        """Names the shop.

        Raises:
            ContractError: the settings do not fit the shop: its stock rows, its order states or its clock.
        """
        shop = self._shop()
        if not self._shelves.has_rows():
            raise ContractError(
                f"PrestaShop keeps no stock at point {self._settings.stock_point!r}: a group that shares its stock"
                " is set by id_shop_group"
            )
        missing = [role for role, state in self._roles() if self._orders.state(state) is None]
        if missing:
            raise ContractError(f"the PrestaShop settings {', '.join(missing)} name order states that do not exist")
        return (
            f"PrestaShop shop {self._settings.id_shop} {str(shop.get('name') or '')!r},"
            f" stock point {self._settings.stock_point}, {self._clock()}"
        )

    def _clock(self) -> str:
        """Compares time zones: a wrong one shifts every date. The right to read it is not needed otherwise."""
        ours = self._settings.time_zone
        try:
            rows = self._webservice.rows("configurations", {"name": "[PS_TIMEZONE]"}, display="[id,value,id_shop]")
        except (ScopeError, RefusedError):
            return f"times taken as {ours} (the key may not read PS_TIMEZONE)"
        by_shop = {int(row.get("id_shop") or 0): str(row.get("value") or "") for row in rows}
        theirs = by_shop.get(self._settings.id_shop) or by_shop.get(0)
        if theirs and theirs != ours:
            raise ContractError(f"the shop's clock is in {theirs}, the settings say {ours}")
        return f"times in {ours}"

    def _roles(self) -> list[tuple[str, int]]:
        settings = self._settings
        roles = [
            ("canceled_state", settings.canceled_state),
            ("payment_error_state", settings.payment_error_state),
            ("refunded_state", settings.refunded_state),
        ]
        chosen = [("shipped_state", settings.shipped_state), ("ready_state", settings.ready_state)]
        return roles + [(role, state) for role, state in chosen if state is not None]

    def _shop(self) -> Row:
        rows = self._webservice.rows("shops", {"id": f"[{self._settings.id_shop}]"}, display="[id,active,name]")
        if not rows:
            raise ContractError(f"PrestaShop shows no shop {self._settings.id_shop} to this key")
        return rows[0]

    def pull_places(self) -> Iterator[Page]:
        place = self._shop()
        group = self._settings.id_shop_group
        if group is not None:
            rows = self._webservice.rows("shop_groups", {"id": f"[{group}]"}, display="[id,name,active]")
            if not rows:
                raise ContractError(f"PrestaShop shows no shop group {group} to this key")
            place = rows[0]
        point = self._settings.stock_point
        parts = {"stock_point": point, "name": place.get("name"), "active": place.get("active")}
        yield Page((document(PLACE, point, "", parts),))

    def pull_catalogue(self) -> Iterator[Page]:
        for products in Catalogue(self._webservice, self._shelves).documents():
            yield Page(products)

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        """Orders with new credit slips come first and carry no watermark: a watermark stands for both."""
        started = self._now()
        first = first_local(since, self._zone)
        for orders in self._orders.with_new_slips(first):
            if orders:
                yield Page(self._orders.documents(orders, self._now()))
        for orders in self._orders.changed(first):
            if orders:
                read_to = earliest_utc(str(orders[-1]["date_upd"]), self._zone)
                yield Page(self._orders.documents(orders, self._now()), watermark=min(started, read_to))

    def pull_stock(self, stock_points: Sequence[str]) -> Iterator[Page]:
        if self._settings.stock_point in stock_points:
            for document_ in self._shelves.documents(self._settings.stock_point, self._now()):
                yield Page((document_,))

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        """Rows are written one by one: a failure that is not about one row leaves the rest NOT_APPLIED.

        So does a shop too slow for all of them: a number that waited long may be old when it is written at last.
        Such a failure is raised where it meets the first row. The key is not used: an absolute write repeated has one
        effect.
        """
        begun_at = self._now()
        try:
            refused = self._shelves.not_writable(
                [write.key.stock_id for write in writes if write.key.stock_point == self._settings.stock_point]
            )
        except NoAnswerError as error:
            return [LevelAnswer(write.key, WriteOutcome.UNKNOWN, f"nothing was sent: {error}") for write in writes]
        answers: list[LevelAnswer] = []
        silences = 0
        for position, write in enumerate(writes):
            if (self._now() - begun_at).total_seconds() > WRITE_SECONDS:
                return answers + _not_applied(writes[position:], "the shop is too slow for so many rows in one go")
            try:
                answer = self._write(write, refused)
            except ConnectorError as error:
                if position == 0:
                    raise
                return answers + _not_applied(writes[position:], str(error))
            silences = silences + 1 if answer.outcome is WriteOutcome.UNKNOWN else 0
            answers.append(answer)
            if silences == SILENCES_IN_A_ROW:
                return answers + _not_applied(writes[position + 1 :], "the shop stopped answering before this row")
        return answers

    def _write(self, write: LevelWrite, refused: Mapping[str, str]) -> LevelAnswer:
        key = write.key
        if key.stock_point != self._settings.stock_point:
            reason = f"this account's stock point is {self._settings.stock_point!r}, not {key.stock_point!r}"
            return LevelAnswer(key, WriteOutcome.REFUSED, reason)
        if key.stock_id in refused:
            return LevelAnswer(key, WriteOutcome.REFUSED, refused[key.stock_id])
        try:
            shown = self._shelves.write(key.stock_id, write.units)
        except RefusedError as error:
            self._shelves.forget(key.stock_id)
            return LevelAnswer(key, WriteOutcome.REFUSED, str(error))
        except (NoAnswerError, ContractError) as error:
            return LevelAnswer(key, WriteOutcome.UNKNOWN, str(error))
        if shown != write.units:
            reason = f"the shop answered with {shown} where {write.units} were sent"
            return LevelAnswer(key, WriteOutcome.UNKNOWN, reason)
        return LevelAnswer(key, WriteOutcome.CONFIRMED)

    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        here = self._settings.stock_point
        shown = self._shelves.levels([key.stock_id for key in keys if key.stock_point == here])
        return [LevelReading(key, shown.get(key.stock_id) if key.stock_point == here else None) for key in keys]

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        raise RefusedError("PrestaShop confirms a level at once: there are no receipts")

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        raise RefusedError("PrestaShop orders are not accepted line by line: they are placed when they are heard")

    def push_shipment(self, shipment: Shipment) -> None:
        """Writes the tracking number, and the shipped state once the order is complete; the customer gets no mail.

        A further parcel's number is added behind a comma, as the shop keeps one field an order.
        """
        order = self._order(shipment.order)
        has_shipped = self._has_shipped(order)
        if self._is_dead(order):
            if has_shipped:
                return
            raise RefusedError(f"order {shipment.order!r} is canceled in PrestaShop: it cannot be marked as shipped")
        if shipment.parcel is not None and shipment.parcel.tracking_number:
            self._write_tracking(order, shipment.parcel.tracking_number)
        if shipment.completes_order and not has_shipped:
            self._set_state(order, self._shipped_state())

    def push_ready(self, notice: ReadyNotice) -> bool:
        """Writes the shop's own state for that, once the whole order waits; the customer gets no mail.

        PrestaShop has no such state of its own: without `ready_state` the shop cannot be told.
        """
        if self._settings.ready_state is None:
            return False
        order = self._order(notice.order)
        if self._is_dead(order):
            raise RefusedError(f"order {notice.order!r} is canceled in PrestaShop: nobody fetches it")
        if self._has_been(order, {self._settings.ready_state, *self._orders.shipped_states()}):
            return True
        ready = {line.order_line: line.units for line in notice.lines}
        rows = self._rows_of(order)
        if any(ready.get(line, 0) < row.units - row.gone for line, row in rows.items()):
            return False
        self._set_state(order, self._settings.ready_state)
        return True

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        """Cancels whole orders; PrestaShop then puts their units back on its own number.

        Raises:
            RefusedError: the order has shipped, or only some of its units are meant.
        """
        order = self._order(order_external_id)
        if self._is_dead(order):
            return
        rows = self._rows_of(order)
        untold = sorted(line for line, units in lines.items() if line in rows and rows[line].gone < units)
        if not untold:
            return
        if self._has_shipped(order):
            raise RefusedError(f"order {order_external_id!r} has shipped in PrestaShop: nothing of it can be canceled")
        if any(max(row.gone, lines.get(line, 0)) < row.units for line, row in rows.items()):
            raise RefusedError(
                f"PrestaShop's web service cannot cancel a part of order {order_external_id!r}: take the units of lines"
                f" {', '.join(untold)} off it in the back office"
            )
        self._set_state(order, self._settings.canceled_state)

    def ensure_webhooks(self, callback_url: str) -> list[str]:
        return []

    def _order(self, order_external_id: str) -> Row:
        if not order_external_id.isdecimal():
            raise RefusedError(f"{order_external_id!r} is not the id of a PrestaShop order")
        filters = {"id": f"[{order_external_id}]", "id_shop": f"[{self._settings.id_shop}]"}
        rows = self._webservice.rows("orders", filters, display="[id,current_state,id_shop]")
        if not rows or not self._orders.is_ours(rows[0]):
            raise RefusedError(f"shop {self._settings.id_shop} has no order {order_external_id!r}")
        return rows[0]

    def _is_dead(self, order: Row) -> bool:
        """Canceled, refunded or never paid: nothing more of it leaves."""
        settings = self._settings
        dead = {settings.canceled_state, settings.payment_error_state, settings.refunded_state}
        return int(order["current_state"]) in dead

    def _has_shipped(self, order: Row) -> bool:
        return self._has_been(order, set(self._orders.shipped_states()))

    def _has_been(self, order: Row, states: Collection[int]) -> bool:
        if int(order["current_state"]) in states:
            return True
        filters = {"id_order": f"[{order['id']}]"}
        visited = self._webservice.rows("order_histories", filters, display="[id,id_order_state]")
        return any(int(entry["id_order_state"]) in states for entry in visited)

    def _shipped_state(self) -> int:
        states = self._orders.shipped_states()
        wanted = self._settings.shipped_state or (states[0] if states else 0)
        if wanted not in states:
            raise ContractError("PrestaShop has no order state that says shipped, or the one in the settings does not")
        return wanted

    def _set_state(self, order: Row, state: int) -> None:
        if self._orders.state(state) is None:
            raise ContractError(f"PrestaShop has no order state {state}")
        self._webservice.create(
            "order_histories", "order_history", {"id_order": str(order["id"]), "id_order_state": str(state)}
        )

    def _write_tracking(self, order: Row, number: str) -> None:
        filters = {"id_order": f"[{order['id']}]"}
        carriers = self._webservice.rows("order_carriers", filters, display="[id,id_order,tracking_number]")
        if not carriers:
            raise RefusedError(f"PrestaShop keeps no carrier for order {order['id']}: its tracking has no place")
        told = str(carriers[0].get("tracking_number") or "")
        numbers = [known.strip() for known in told.split(",") if known.strip()]
        if number in numbers:
            return
        written = ",".join([*numbers, number])
        if len(written) > TRACKING_CHARACTERS:
            return  # the field is full: the parcel still counts for the order's state, and the hub keeps its number
        self._webservice.patch("order_carriers", "order_carrier", int(carriers[0]["id"]), {"tracking_number": written})

    def _rows_of(self, order: Row) -> dict[str, "_OrderedUnits"]:
        fields = "[id,product_quantity,product_quantity_refunded,product_quantity_return]"
        rows = self._webservice.rows("order_details", {"id_order": f"[{order['id']}]"}, display=fields)
        return {
            str(row["id"]): _OrderedUnits(
                units=int(row.get("product_quantity") or 0),
                gone=int(row.get("product_quantity_refunded") or 0) + int(row.get("product_quantity_return") or 0),
            )
            for row in rows
        }


@dataclass(frozen=True, slots=True)
class _OrderedUnits:
    """Units of an order's row, and how many of them were refunded or returned."""

    units: int
    gone: int


def _not_applied(writes: Sequence[LevelWrite], reason: str) -> list[LevelAnswer]:
    return [LevelAnswer(write.key, WriteOutcome.NOT_APPLIED, reason) for write in writes]


def connect(settings: PrestaShopSettings, runtime: Runtime) -> ChannelConnection:
    """Signs in with every call: there is no session to open."""
    return PrestaShopConnection(settings, runtime)


CHANNEL = Channel(
    platform="prestashop",
    capabilities=CAPABILITIES,
    settings=PrestaShopSettings,
    connect=connect,
    translate=translate,
)
