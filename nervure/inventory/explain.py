"""Why a channel may show a number: the rules of availability written as a tree instead of as a sum.

What stood at a moment comes from outside. The tree evaluates to what `salable_quantity` gives for the same facts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from nervure.inventory.availability import Parts
from nervure.inventory.derivation import AtMost, Node, NotBelowZero, Packed, Scarcest, Share, Total, Units
from nervure.inventory.policies import Policy, beyond, buffer_of, in_force
from nervure.inventory.stock import ClaimKind, Place
from schemas.policies import PolicyKind
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind

MANY = 20
"""More movements than this are told by kind."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement of one stock key."""

    units: int
    kind: MovementKind
    reason: AdjustmentReason | None
    document: str
    owner: str
    condition: Condition
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """One claim that held units. `document`: the order it belongs to, or what the reservation is called."""

    units: int
    kind: ClaimKind
    document: str
    since: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Free sellable units of a lot whose last day had begun: they are there, and not promised."""

    lot: str
    units: int
    expired_at: datetime


@dataclass(frozen=True, slots=True)
class Shelf:
    """All of one item at one location, whoever owns it and in whatever condition."""

    moved: tuple[Moved, ...] = ()
    held: tuple[Held, ...] = ()
    safety_stock: int = 0
    expired: tuple[Expired, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """A location by its name. `supplier`: whose numbers stand there. `is_fresh`: they may be promised."""

    location_id: int
    code: str
    supplier: str | None = None
    is_fresh: bool = True

    @property
    def tags(self) -> tuple[str, ...]:
        return (f"location:{self.code}", *((f"supplier:{self.supplier}",) if self.supplier else ()))


@dataclass(frozen=True, slots=True)
class Sale:
    """Open units that an order line was sold beyond what is there."""

    channel_id: int
    document: str
    units: int


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the merchant had decided of one item on one channel, and what counted against it."""

    channel: str
    sku: str
    policies: tuple[Policy, ...]
    sales: tuple[Sale, ...]
    is_received: bool
    today: date


def derive_location(site: Site, parts: Parts, skus: Mapping[int, str], shelves: Mapping[Place, Shelf]) -> Node:
    """Units that can be promised at one location: for a kit, as many as its scarcest part allows."""
    found = [
        _packed(site, skus[part], per, shelves.get(Place(part, site.location_id), Shelf()), is_kit=len(parts) > 1)
        for part, per in parts.items()
    ]
    if len(found) == 1:
        return _named(found[0], site)
    return Scarcest(f"{site.code}: as many as the scarcest part allows", tuple(found), site.tags)


def _named(node: Node, site: Site) -> Node:
    match node:
        case NotBelowZero():
            return NotBelowZero(site.code, node.part, site.tags)
        case _:
            return Total(site.code, (node,), site.tags)


def _packed(site: Site, sku: str, per: int, shelf: Shelf, *, is_kit: bool) -> Node:
    there = NotBelowZero(f"{sku} at {site.code}" if is_kit or per > 1 else site.code, _to_promise(shelf))
    return there if per == 1 else Packed(f"{sku}, {per} in each", there, per)


def _to_promise(shelf: Shelf) -> Node:
    """on_hand - unavailable - claims - what has expired - safety stock."""
    parts: list[Node] = [_on_hand(shelf.moved)]
    unavailable: dict[Condition, int] = defaultdict(int)
    for one in shelf.moved:
        if one.condition is not Condition.SELLABLE:
            unavailable[one.condition] += one.units
    parts.extend(
        Units(f"unavailable: {condition.value.replace('_', ' ')}", -units)
        for condition, units in unavailable.items()
        if units
    )
    if shelf.held:
        parts.append(Total("claims", tuple(_claim(one) for one in shelf.held), ("claims",)))
    parts.extend(
        Units(f"lot {one.lot}, not promised on its last day and after", -one.units, ("expired",), None, one.expired_at)
        for one in shelf.expired
    )
    if shelf.safety_stock:
        parts.append(Units("safety stock", -shelf.safety_stock, ("safety",)))
    return Total("available to promise", tuple(parts))


def _on_hand(moved: Sequence[Moved]) -> Node:
    """The ledger of one place as it was written; a long one by kind."""
    if len(moved) <= MANY:
        return Total("on hand", tuple(_movement(one) for one in moved))
    kinds: dict[str, list[Node]] = defaultdict(list)
    for one in moved:
        kinds[_what(one)].append(_movement(one))
    return Total("on hand", tuple(Total(kind, tuple(parts)) for kind, parts in kinds.items()))


def _what(one: Moved) -> str:
    return one.kind.value.replace("_", " ")


def _movement(one: Moved) -> Units:
    said = [_what(one)]
    if one.reason is not None:
        said.append(one.reason.value.replace("_", " "))
    if one.condition is not Condition.SELLABLE:
        said.append(one.condition.value.replace("_", " "))
    owner = () if one.owner == OUR_OWN else (f"supplier:{one.owner}",)
    if owner:
        said.append(f"owned by {one.owner}")
    return Units(", ".join(said), one.units, (one.document, *owner), one.document, one.occurred_at, one.recorded_at)


def _claim(one: Held) -> Units:
    kind = "allocated" if one.kind is ClaimKind.ALLOCATION else f"reserved until {one.expires_at:%Y-%m-%d %H:%M}"
    return Units(kind, -one.units, (one.document,), one.document, one.since, one.since)


def derive_number(name: str, sites: Sequence[Site], locations: Mapping[int, Node], decided: Decisions) -> Node:
    """What one stock point may show, in the order that `nervure.inventory.availability` gives and explains."""
    fresh = [locations[site.location_id] for site in sites if site.is_fresh]
    stale = [
        Units(f"{site.code}: its numbers are too old to be promised", 0, site.tags)
        for site in sites
        if not site.is_fresh
    ]
    nowhere = () if sites else (Units("it stood for no location", 0),)
    node: Node = Total("pool", (*fresh, *stale, *nowhere))
    policies = decided.policies
    if share := in_force(policies, PolicyKind.SHARE):
        node = Share(f"share of {_whose(share, decided)}", node, share.units, ("share",))
    buffer = buffer_of(policies)
    if buffer and buffer.units:
        node = Total("after the buffer", (node, _buffer(buffer, decided)))
    if cap := in_force(policies, PolicyKind.CAP):
        node = AtMost(f"cap of {_whose(cap, decided)}", node, cap.units, ("cap",))
    if allowed := beyond(policies, is_received=decided.is_received, today=decided.today):
        node = Total("with what may be sold beyond", (node, _beyond(allowed, decided)))
    return NotBelowZero(name, node)


def _buffer(buffer: Policy, decided: Decisions) -> Node:
    if buffer.kind is PolicyKind.EARNED:
        why = Units(buffer.because, -buffer.units)
        return Total(f"buffer earned by {_whose(buffer, decided)}", (why,), ("buffer",))
    return Units(f"buffer of {_whose(buffer, decided)}", -buffer.units, ("buffer",))


def _whose(policy: Policy, decided: Decisions) -> str:
    return decided.channel if policy.item_id is None else f"{decided.sku} on {decided.channel}"


def _beyond(policy: Policy, decided: Decisions) -> Node:
    counted = [sale for sale in decided.sales if policy.channel_id in (None, sale.channel_id)]
    limit = Units("limit", policy.units)
    sold = tuple(Units("sold beyond", -sale.units, (sale.document,), sale.document) for sale in counted)
    label = f"{policy.kind.value}, promised by {policy.promised_on}"
    return NotBelowZero(label, Total("left of the limit", (limit, *sold)), ("backorder",))
