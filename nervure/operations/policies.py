"""Setting policies in the merchant's words: what they name must be there, and what they say must make sense."""

import csv
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from nervure.inventory.policies import Policy
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import UnknownStockError
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.policies import PolicySeen, PolicyStore
from nervure.store.stock_points import StockPointStore
from schemas.base import MAX_UNITS
from schemas.policies import BEYOND, PolicyKind

MAX_PERCENT = 100


class PolicyError(RefusalError):
    """A policy that cannot be set."""


class SafetyStockError(RefusalError):
    """A row of safety stock that cannot be used; nothing of it is."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a policy concerns, by name."""

    channel: str | None = None
    sku: str | None = None


def set_policy(hub: Hub, kind: PolicyKind, units: int, scope: Scope, *, promised_on: date | None = None) -> bool:
    """Sets a policy; every number that it concerns is computed again. False: it was so already.

    Raises:
        PolicyError: the kind does not go with this scope, these units or this day.
        UnknownStockError: no such sku or channel.
    """
    _check(kind, units, scope, promised_on)
    if promised_on is not None and promised_on < hub.clock.now().date():
        raise PolicyError(f"{promised_on} has passed: nothing can be promised by then")

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        channel, item = _ids(connection, now, scope)
        return PolicyStore(connection, now).put(Policy(kind, units, channel, item, promised_on))

    return hub.database.run(work)


def clear_policy(hub: Hub, kind: PolicyKind, scope: Scope) -> bool:
    """Takes a policy back; False: there was none of exactly this scope.

    Raises:
        UnknownStockError: no such sku or channel.
    """

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        channel, item = _ids(connection, now, scope)
        return PolicyStore(connection, now).clear(Policy(kind, 0, channel, item))

    return hub.database.run(work)


def list_policies(hub: Hub, scope: Scope) -> list[PolicySeen]:
    """The policies that concern a channel or a sku; of nobody in particular: all."""
    with hub.database.read() as connection:
        return PolicyStore(connection, hub.clock.now()).list(channel=scope.channel, sku=scope.sku)


def _check(kind: PolicyKind, units: int, scope: Scope, promised_on: date | None) -> None:
    if units < 0 or units > MAX_UNITS:
        raise PolicyError(f"{units} are not units: use 0 to {MAX_UNITS}")
    if kind is PolicyKind.EARNED:
        raise PolicyError("an earned buffer is computed by the hub: set a buffer to overrule it")
    if kind is PolicyKind.SHARE and units > MAX_PERCENT:
        raise PolicyError(f"a share is 0 to 100 percent, not {units}")
    if kind in BEYOND:
        if scope.sku is None:
            raise PolicyError(f"a {kind.value} is for one sku: name it with --sku")
        if promised_on is None:
            raise PolicyError(f"a {kind.value} needs the last day on which its units are promised: --until DAY")
        return
    if scope.channel is None:
        raise PolicyError(f"a {kind.value} is for one channel: name it with --channel")
    if promised_on is not None:
        raise PolicyError(f"a {kind.value} has no last day: leave --until out")
    if kind is PolicyKind.BUFFER and scope.sku is None:
        raise PolicyError("the buffer of a whole channel is buffer_units in the settings; here name a sku with --sku")


def _ids(connection: Connection, now: datetime, scope: Scope) -> tuple[int | None, int | None]:
    """Channel and item by their names."""
    item = channel = None
    if scope.sku is not None:
        item = CatalogueStore(connection, now).item_ids([scope.sku]).get(scope.sku)
        if item is None:
            raise UnknownStockError(f"sku {scope.sku!r} is not known")
    if scope.channel is not None:
        channel = StockPointStore(connection, now).channel_ids().get(scope.channel)
        if channel is None:
            raise UnknownStockError(f"channel {scope.channel!r} is not known")
    return channel, item


# -- safety stock ----------------------------------------------------------------------------------------------


def set_safety_stock(hub: Hub, rows: list[tuple[str, str, int]]) -> int:
    """Sets the units kept back: (sku, location, units), all or none of them; answers how many changed.

    Raises:
        UnknownStockError: a sku or a location is not known; nothing was written.
    """

    def work(connection: Connection) -> int:
        now = hub.clock.now()
        items = CatalogueStore(connection, now).item_ids([sku for sku, _, _ in rows])
        locations, policies = LocationStore(connection, now).ids(), PolicyStore(connection, now)
        for sku, location, _ in rows:
            if sku not in items or location not in locations:
                unknown = f"sku {sku!r}" if sku not in items else f"location {location!r}"
                raise UnknownStockError(f"{unknown} is not known")
        places = sorted((items[sku], locations[location], units) for sku, location, units in rows)
        return sum(policies.put_safety_stock(item, location, units) for item, location, units in places)

    return hub.database.run(work)


def read_safety_stock(path: Path) -> list[tuple[str, str, int]]:
    """Reads safety stock from CSV with the columns sku, location, units.

    Raises:
        SafetyStockError: the file, or a row of it, cannot be used.
    """
    rows: dict[tuple[str, str], int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for column in ("sku", "location", "units"):
                if column not in (reader.fieldnames or ()):
                    raise SafetyStockError(f"{path.name} lacks the column {column!r}")
            for line, row in enumerate(reader, start=2):
                place = (row["sku"] or "", row["location"] or "")
                if place in rows:
                    raise SafetyStockError(f"{path.name}, line {line}: {place[0]!r} at {place[1]!r} is there twice")
                rows[place] = _units(row["units"], f"{path.name}, line {line}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SafetyStockError(f"{path.name} cannot be read: {error}") from error
    return [(sku, location, units) for (sku, location), units in rows.items()]


def _units(text: str | None, where: str) -> int:
    if text is None or not (text.strip().isascii() and text.strip().isdigit()) or int(text) > MAX_UNITS:
        raise SafetyStockError(f"{where}: {text!r} are not whole units of 0 or more")
    return int(text)
