"""A world made once, and copied for each seed: its platforms are loaded, its listings bound, its shelves filled."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from nervure.clock import Clock, ManualClock
from nervure.store.database import open_database
from nervure.store.migrations import upgrade
from nervure.store.watched import WatchedDatabase
from simulation.accounts import open_accounts, open_supplier
from simulation.catalogue import SUPPLIER, Good, Stock, make_goods, opening_stock
from simulation.hubs import fill_shelves, open_hub, write_merchant
from simulation.world import World

STARTS_AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
OPENS_AFTER = timedelta(minutes=15)
"""From the filled shelves to the first shopper: longer than a clock may be off, so that none goes back."""
POLL_SECONDS = 300.0
"""The seldomest that the settings allow: what webhooks do not tell is heard late, which is what a seed is to try."""


@dataclass(frozen=True, slots=True)
class Template:
    """A merchant before its doors open: the platforms, pickled, and the hub's database file."""

    goods: Sequence[Good]
    stock: Stock
    platforms: bytes
    database: bytes
    ended_at: datetime

    @property
    def opens_at(self) -> datetime:
        return self.ended_at + OPENS_AFTER

    def world(self, clock: Clock, ahead: Mapping[str, int], *, poll_seconds: float | None = POLL_SECONDS) -> World:
        """A world of its own.

        `ahead`: seconds by which platforms' clocks are off. `poll_seconds` None: each platform's own period.
        """
        emulators, supplier = pickle.loads(self.platforms)  # noqa: S301 - made by `make_template`
        accounts = {
            account.name: replace(account, emulator=emulators[account.name], order_poll_seconds=poll_seconds)
            for account in open_accounts(lag_seed=1)
        }
        off = {name: timedelta(seconds=seconds) for name, seconds in ahead.items()}
        return World(self.goods, dict(self.stock), accounts, supplier, clock, ahead=off)


def make_template(
    goods_count: int,
    seed: int,
    *,
    kit_share: float = 0.1,
    buffer_units: int = 0,
    stock_of: Callable[[Sequence[Good]], Stock] | None = None,
) -> Template:
    """Opens a merchant. `stock_of` None: its stock is drawn by the seed."""
    clock = ManualClock(STARTS_AT)
    goods = make_goods(goods_count, seed, kit_share=kit_share)
    accounts = {account.name: account for account in open_accounts(lag_seed=1)}
    units = opening_stock(goods, seed) if stock_of is None else stock_of(goods)
    # A supplier that has nothing says so: an empty feed would be held as a mistake.
    units.setdefault((next(good.sku for good in goods if not good.parts), SUPPLIER.code), 0)
    world = World(goods, units, accounts, open_supplier(), clock)
    world.open()
    with TemporaryDirectory(prefix="nervure-") as folder:
        path = Path(folder) / "hub.db"
        database = open_database(f"sqlite:///{path}", is_durable=False)
        upgrade(database)
        hub = open_hub(world, database)
        write_merchant(hub, world, buffer_units=buffer_units)
        fill_shelves(hub, world)
        database.close()
        content = path.read_bytes()
    platforms = pickle.dumps(({name: account.emulator for name, account in accounts.items()}, world.supplier))
    return Template(goods, dict(units), platforms, content, clock.now())


class Copies:
    """One database file that takes the form of one template after the other: what is compiled for it stays compiled."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "hub.db"
        self._engine = open_database(f"sqlite:///{self._path}", is_durable=False).engine

    @contextmanager
    def of(self, template: Template) -> Iterator[WatchedDatabase]:
        """A hub's database as it was when the template was made."""
        for file in self._path.parent.glob("hub.db*"):
            file.unlink()
        self._path.write_bytes(template.database)
        database = WatchedDatabase(self._engine)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def open_copies() -> Iterator[Copies]:
    """Room for copies, in a folder that goes away."""
    with TemporaryDirectory(prefix="nervure-") as folder:
        yield Copies(Path(folder))
