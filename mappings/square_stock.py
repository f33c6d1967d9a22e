"""Square's inventory in the hub's words: running counts, physical counts, adjustments and transfers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mappings.errors import UnreadableDocumentError
from mappings.square_wire import Many, Stamp, Wire, whole_units
from schemas.documents import Fact
from schemas.stock import AdjustmentReason, ChannelMovement, MovementKind, StockObservation

OUR_REFERENCE = "nervure"
"""How `reference_id` of everything that the hub writes begins."""

_STATES = {
    "COMPOSED",
    "CUSTOM",
    "DECOMPOSED",
    "IN_STOCK",
    "IN_TRANSIT",
    "IN_TRANSIT_TO",
    "NONE",
    "ORDERED_FROM_VENDOR",
    "RECEIVED_FROM_VENDOR",
    "RESERVED_FOR_SALE",
    "RETURNED_BY_CUSTOMER",
    "SOLD",
    "SOLD_ONLINE",
    "UNLINKED_RETURN",
    "WASTE",
}
_SALES = {"SOLD", "SOLD_ONLINE"}


@dataclass(frozen=True, slots=True)
class _Move:
    kind: MovementKind
    reason: AdjustmentReason | None = None


_INTO_STOCK = {
    "NONE": _Move(MovementKind.RECEIVED),
    "ORDERED_FROM_VENDOR": _Move(MovementKind.RECEIVED),
    "RECEIVED_FROM_VENDOR": _Move(MovementKind.RECEIVED),
    "SOLD": _Move(MovementKind.RETURNED),
    "SOLD_ONLINE": _Move(MovementKind.RETURNED),
    "RETURNED_BY_CUSTOMER": _Move(MovementKind.RETURNED),
    "UNLINKED_RETURN": _Move(MovementKind.RETURNED),
    "IN_TRANSIT": _Move(MovementKind.TRANSFERRED_IN),
    "IN_TRANSIT_TO": _Move(MovementKind.TRANSFERRED_IN),
    "WASTE": _Move(MovementKind.ADJUSTED, AdjustmentReason.FOUND),
}
_OUT_OF_STOCK = {
    "NONE": _Move(MovementKind.ADJUSTED, AdjustmentReason.CORRECTION),
    "SOLD": _Move(MovementKind.SOLD),
    "SOLD_ONLINE": _Move(MovementKind.SOLD),
    "IN_TRANSIT": _Move(MovementKind.TRANSFERRED_OUT),
    "IN_TRANSIT_TO": _Move(MovementKind.TRANSFERRED_OUT),
    "WASTE": _Move(MovementKind.ADJUSTED, AdjustmentReason.DAMAGED),
}


class _Count(Wire):
    catalog_object_id: str
    catalog_object_type: str | None = None
    state: str
    location_id: str
    quantity: str
    calculated_at: Stamp


class _CountsObject(Wire):
    inventory_counts: Many[_Count] = ()


class _CountsData(Wire):
    object: _CountsObject | None = None


class _CountsEvent(Wire):
    data: _CountsData


class _Source(Wire):
    product: str | None = None


class _PhysicalCount(Wire):
    id: str
    reference_id: str | None = None
    catalog_object_id: str
    state: str
    location_id: str
    quantity: str
    occurred_at: Stamp
    source: _Source | None = None


class _AdjustmentGroup(Wire):
    to_state: str | None = None


class _Adjustment(Wire):
    id: str
    reference_id: str | None = None
    from_state: str
    to_state: str
    location_id: str
    catalog_object_id: str
    quantity: str
    occurred_at: Stamp
    transaction_id: str | None = None
    adjustment_group: _AdjustmentGroup | None = None


class _Transfer(Wire):
    id: str
    reference_id: str | None = None
    state: str
    from_location_id: str
    to_location_id: str
    catalog_object_id: str
    quantity: str
    occurred_at: Stamp


class _Change(Wire):
    type: str
    physical_count: _PhysicalCount | None = None
    adjustment: _Adjustment | None = None
    transfer: _Transfer | None = None


def count_facts(body: bytes, channel: str) -> Sequence[Fact]:
    return _observations([_Count.model_validate_json(body)], channel)


def counts_updated_facts(body: bytes, channel: str) -> Sequence[Fact]:
    event = _CountsEvent.model_validate_json(body)
    return _observations(event.data.object.inventory_counts if event.data.object else (), channel)


def _observations(counts: Iterable[_Count], channel: str) -> list[Fact]:
    """The running counts of what is on hand and for sale; other states are not on the shelf."""
    return [
        StockObservation(
            channel=channel,
            listing_external_id=count.catalog_object_id,
            stock_point=count.location_id,
            units=whole_units(count.quantity, f"count of {count.catalog_object_id!r} at {count.location_id!r}"),
            observed_at=count.calculated_at,
        )
        for count in counts
        if _known_state(count.state, f"count of {count.catalog_object_id!r}") == "IN_STOCK"
    ]


def _known_state(state: str, where: str) -> str:
    if state not in _STATES:
        raise UnreadableDocumentError(f"{where}: unknown inventory state {state!r}")
    return state


def change_facts(body: bytes, channel: str) -> Sequence[Fact]:
    change = _Change.model_validate_json(body)
    match change.type:
        case "PHYSICAL_COUNT" if change.physical_count:
            return _physical_count(change.physical_count, channel)
        case "ADJUSTMENT" if change.adjustment:
            return _adjustment(change.adjustment, channel)
        case "TRANSFER" if change.transfer:
            return _transfer(change.transfer, channel)
        case unknown:
            raise UnreadableDocumentError(f"inventory change of type {unknown!r} is unknown or has no content")


def _is_ours(reference: str | None) -> bool:
    return (reference or "").startswith(OUR_REFERENCE)


def _physical_count(count: _PhysicalCount, channel: str) -> list[Fact]:
    where = f"physical count {count.id!r}"
    if _is_ours(count.reference_id) or _known_state(count.state, where) != "IN_STOCK":
        return []
    # Another application that sets numbers has counted nothing: what it sends is a running number.
    is_application = count.source is not None and count.source.product == "EXTERNAL_API"
    return [
        StockObservation(
            channel=channel,
            listing_external_id=count.catalog_object_id,
            stock_point=count.location_id,
            units=whole_units(count.quantity, where),
            observed_at=count.occurred_at,
            is_physical_count=not is_application,
        )
    ]


def _moved_units(quantity: str, where: str) -> int:
    """What moved has no sign: the states say from where to where."""
    units = whole_units(quantity, where)
    if units < 0:
        raise UnreadableDocumentError(f"{where}: a quantity of {quantity} moves nothing from one state to another")
    return units


def _adjustment(adjustment: _Adjustment, channel: str) -> list[Fact]:
    where = f"adjustment {adjustment.id!r}"
    states = (_known_state(adjustment.from_state, where), _known_state(adjustment.to_state, where))
    if _is_ours(adjustment.reference_id) or "IN_STOCK" not in states or _belongs_to_ticket(adjustment):
        return []
    match states:
        case (origin, "IN_STOCK"):
            sign, move = 1, _INTO_STOCK.get(origin)
        case (_, goal):
            sign, move = -1, _OUT_OF_STOCK.get(goal)
    if move is None:
        raise UnreadableDocumentError(f"{where}: what {states[0]} to {states[1]} does to stock is not known")
    units = _moved_units(adjustment.quantity, where)
    if units == 0:
        return []
    return [
        ChannelMovement(
            channel=channel,
            external_id=adjustment.id,
            listing_external_id=adjustment.catalog_object_id,
            stock_point=adjustment.location_id,
            kind=move.kind,
            units=sign * units,
            occurred_at=adjustment.occurred_at,
            reason=move.reason,
        )
    ]


def _belongs_to_ticket(adjustment: _Adjustment) -> bool:
    """The sale of an order's line, or of a part that its line is composed of: the order books it."""
    goals = {adjustment.to_state, adjustment.adjustment_group.to_state if adjustment.adjustment_group else None}
    return adjustment.transaction_id is not None and bool(goals & _SALES)


def _transfer(transfer: _Transfer, channel: str) -> list[Fact]:
    where = f"transfer {transfer.id!r}"
    if _is_ours(transfer.reference_id) or _known_state(transfer.state, where) != "IN_STOCK":
        return []
    units = _moved_units(transfer.quantity, where)
    legs = (
        ("out", transfer.from_location_id, MovementKind.TRANSFERRED_OUT, -units),
        ("in", transfer.to_location_id, MovementKind.TRANSFERRED_IN, units),
    )
    return [
        ChannelMovement(
            channel=channel,
            external_id=f"{transfer.id}:{leg}",
            listing_external_id=transfer.catalog_object_id,
            stock_point=location,
            kind=kind,
            units=signed,
            occurred_at=transfer.occurred_at,
        )
        for leg, location, kind, signed in legs
    ]
