"""Locations in SQL: where goods lie, and of what time a supplier's numbers are."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.policy_log import freshness, log
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LOCATION
from schemas.locations import Location


class LocationStore:
    """The locations of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, location: Location, *, master: str | None = None, ttl_seconds: float | None = None) -> int:
        """Writes a location by its code; answers its internal id."""
        values = {
            "name": location.name,
            "kind": location.kind.value,
            "country": location.address.country if location.address else None,
            "postal_code": location.address.postal_code if location.address else None,
            "city": location.address.city if location.address else None,
            "latitude": location.coordinates.latitude if location.coordinates else None,
            "longitude": location.coordinates.longitude if location.coordinates else None,
            "time_zone": location.time_zone,
            "can_ship": location.can_ship,
            "can_pickup": location.can_pickup,
            "accept_seconds": location.accept_within_seconds,
            "hold_pickup_seconds": location.hold_pickup_seconds,
            "master": master,
            "ttl_seconds": ttl_seconds,
        }
        row = {"code": location.code, "was_fresh": ttl_seconds is None, **values}
        is_new = insert_new(self._connection, LOCATION, [row])
        its = LOCATION.c.code == location.code
        before = self._connection.execute(sa.select(LOCATION.c.ttl_seconds).where(its)).scalar_one()
        written = self._connection.execute(
            LOCATION.update().where(its).values(**values).returning(LOCATION.c.id, LOCATION.c.as_of)
        ).one()
        if before != ttl_seconds or (is_new and ttl_seconds is not None):
            log(self._connection, self._now, [freshness(written.id, ttl_seconds, written.as_of)])
        return int(written.id)

    def ids(self, codes: Collection[str] | None = None) -> dict[str, int]:
        """Internal ids by location code; of these codes, or of all."""
        query = sa.select(LOCATION.c.code, LOCATION.c.id)
        if codes is not None:
            query = query.where(LOCATION.c.code.in_(sorted(codes)))
        return {row.code: row.id for row in self._connection.execute(query)}

    def of_supplier(self, supplier: str) -> int | None:
        """The location whose master is this supplier."""
        query = sa.select(LOCATION.c.id).where(LOCATION.c.master == supplier)
        return self._connection.execute(query).scalar_one_or_none()

    def set_as_of(self, location_id: int, as_of: datetime) -> None:
        """A supplier's numbers are from this time; an older one changes nothing."""
        moved = self._connection.execute(
            LOCATION.update()
            .where(LOCATION.c.id == location_id, sa.or_(LOCATION.c.as_of.is_(None), LOCATION.c.as_of < as_of))
            .values(as_of=as_of)
            .returning(LOCATION.c.ttl_seconds)
        ).one_or_none()
        if moved is not None:
            log(self._connection, self._now, [freshness(location_id, moved.ttl_seconds, as_of)])
