"""The log of what numbers follow from beside stock and claims: safety stock, pools, kits, freshness, policies."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import KIT, chunks
from schemas.policies import Logged, PolicyKind

POLICY_CHANGE = tables.of(tables.PolicyChangeRow)

Kind: TypeAlias = PolicyKind | Logged
_SUBJECT = ("channel_id", "item_id", "location_id", "stock_point_id")


@dataclass(frozen=True, slots=True)
class Change:
    """What holds from now on for one subject; None: nothing any more."""

    kind: Kind
    value: Mapping[str, Any] | None
    channel_id: int | None = None
    item_id: int | None = None
    location_id: int | None = None
    stock_point_id: int | None = None


def log(connection: Connection, now: datetime, changes: Iterable[Change]) -> None:
    """Writes changes down, in the transaction that makes them."""
    rows = [
        {
            "kind": change.kind.value,
            "value": None if change.value is None else dict(change.value),
            "recorded_at": now,
            **{name: getattr(change, name) for name in _SUBJECT},
        }
        for change in changes
    ]
    for part in chunks(rows):
        connection.execute(POLICY_CHANGE.insert(), part)


def held_at(connection: Connection, moment: datetime, concerned: sa.ColumnElement[bool]) -> list[Change]:
    """What held at a moment: of each concerned subject the newest change recorded until then."""
    newest = (
        sa.select(sa.func.max(POLICY_CHANGE.c.id))
        .where(concerned, POLICY_CHANGE.c.recorded_at <= moment)
        .group_by(POLICY_CHANGE.c.kind, *(POLICY_CHANGE.c[name] for name in _SUBJECT))
    )
    query = sa.select(POLICY_CHANGE).where(POLICY_CHANGE.c.id.in_(newest)).order_by(POLICY_CHANGE.c.id)
    return [
        Change(_kind(row.kind), row.value, row.channel_id, row.item_id, row.location_id, row.stock_point_id)
        for row in connection.execute(query)
        if row.value is not None
    ]


def _kind(name: str) -> Kind:
    return PolicyKind(name) if name in set(PolicyKind) else Logged(name)


def of_items(item_ids: Collection[int], *kinds: Kind) -> sa.ColumnElement[bool]:
    """Changes of these kinds that name one of a few items."""
    return sa.and_(POLICY_CHANGE.c.kind.in_([kind.value for kind in kinds]), POLICY_CHANGE.c.item_id.in_(item_ids))


def freshness(location_id: int, ttl_seconds: float | None, as_of: datetime | None) -> Change:
    """What the log says of a supplier's numbers: from when they are, and how long they hold."""
    value = {"ttl_seconds": ttl_seconds, "as_of": as_of.isoformat() if as_of else None}
    return Change(Logged.FRESHNESS, value, location_id=location_id)


def made_of(parts: Mapping[int, int]) -> dict[str, object]:
    """What the log says of a kit; without parts it is a simple item."""
    return {"parts": {str(part): units for part, units in sorted(parts.items())}}


def log_recipes(connection: Connection, now: datetime, kit_ids: Collection[int]) -> None:
    """Writes down what some items are made of now."""
    parts: dict[int, dict[int, int]] = {kit: {} for kit in kit_ids}
    for row in connection.execute(sa.select(KIT).where(KIT.c.kit_id.in_(sorted(kit_ids)))):
        parts[row.kit_id][row.part_id] = row.units
    log(connection, now, [Change(Logged.KIT, made_of(parts[kit]), item_id=kit) for kit in sorted(parts)])
