"""After a restore: the hub notices, hears everything again before it speaks, and names what cannot be heard."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nervure.operations.hub import Hub
from nervure.store.database import Connection
from nervure.store.messages import MessageStore
from nervure.store.restores import Hearing, Restore, RestoreStore

MARKER_SUFFIX = ".beat"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How far the hub is after its newest restore, and what it found. `heard_again`: channel, order, units short."""

    restore: Restore
    hearings: list[Hearing]
    heard_again: list[tuple[str, str, int]]
    ended_reservations: list[str]
    at_suppliers: list[tuple[int, str, str]]


def notice(hub: Hub) -> str | None:
    """Looks, when the hub is opened, whether its database was restored; answers what was noticed."""
    marked = _read_marker(hub)
    noticed = hub.database.run(lambda c: RestoreStore(c, hub.clock.now()).notice(marked))
    if noticed is not None:
        with hub.database.read() as connection:
            beat = RestoreStore(connection, hub.clock.now()).last_beat()
        _write_marker(hub, beat)
    return noticed


def beat(hub: Hub) -> None:
    """Says that the hub lives and publishes, in the database and beside it."""
    _write_marker(hub, hub.database.run(lambda c: RestoreStore(c, hub.clock.now()).beat()))


def _marker(hub: Hub) -> Path | None:
    """The file beside an SQLite database that remembers its last beat; a copy that is put back knows an older one."""
    return None if hub.database.path is None else hub.database.path.with_name(hub.database.path.name + MARKER_SUFFIX)


def _read_marker(hub: Hub) -> int:
    """What cannot be read says nothing: then the time that has passed decides alone."""
    path = _marker(hub)
    with suppress(OSError, ValueError, TypeError, KeyError):
        return int(json.loads(path.read_text("utf-8"))["beat"]) if path is not None else 0
    return 0


def _write_marker(hub: Hub, beat: int) -> None:
    path = _marker(hub)
    if path is None or beat <= _read_marker(hub):
        return
    new = path.with_name(f"{path.name}.new")
    with suppress(OSError):
        new.write_text(json.dumps({"beat": beat}), "utf-8")
        new.replace(path)


def declare_restored(hub: Hub) -> Recovery:
    """A person says that the database was restored; said again while the hub is still hearing, it changes nothing."""
    restore = hub.database.run(lambda c: RestoreStore(c, hub.clock.now()).restored())
    return _recovery(hub, restore)


def recovery(hub: Hub) -> Recovery | None:
    """How far the hub is after its newest restore; None: there was none."""
    with hub.database.read() as connection:
        restore = RestoreStore(connection, hub.clock.now()).newest()
    return None if restore is None else _recovery(hub, restore)


def awaited(hub: Hub) -> list[Hearing]:
    """Channels that must be heard before numbers are sent, after a restore or a silence."""
    with hub.database.read() as connection:
        return RestoreStore(connection, hub.clock.now()).hearings()


def _recovery(hub: Hub, restore: Restore) -> Recovery:
    with hub.database.read() as connection:
        store = RestoreStore(connection, hub.clock.now())
        return Recovery(
            restore,
            store.hearings(),
            store.heard_again(restore),
            store.ended_reservations(restore),
            store.at_suppliers(),
        )


def settle_suppliers(hub: Hub, *, have_them: bool) -> int:
    """Says what becomes of orders that suppliers may have had before the restore; answers how many it concerned."""

    def work(connection: Connection) -> int:
        store = RestoreStore(connection, hub.clock.now())
        waiting = [number for number, _, _ in store.at_suppliers()]
        if have_them:
            for number in waiting:
                MessageStore(connection, hub.clock.now()).sent_to_supplier(number)
            store.drop_messages(waiting)
        store.settle_suppliers()
        return len(waiting)

    return hub.database.run(work)


def stop_hearing(hub: Hub, channel: str) -> bool:
    """Numbers are sent without this channel having been heard; False: it was."""
    return hub.database.run(lambda c: RestoreStore(c, hub.clock.now()).stop_hearing(channel))
