"""Claims per second as the hub makes them, all who ask at once as one set, beside raw conditional UPDATEs of one row.

A claim here is what the hub does for a reservation: units taken under lock, then its row. Threads of one process are
combined, processes are not. The second reference writes the same three rows (level, claim, change of availability)
without the hub, each claim in a transaction of its own, as the UPDATE is.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection as Line
from typing import Literal, TypeAlias

import psycopg
import sqlalchemy as sa

from bench.databases import Kind, file_of, plain
from bench.figures import Figure, Say, beside, interleave
from bench.shelves import NOW, stock_up
from bench.sizes import Sizes
from nervure.inventory.claims import decide_in_turn, must_be_taken
from nervure.inventory.stock import Against, Place
from nervure.store.database import Connection, Database, open_database
from nervure.store.statements import LEVEL
from nervure.store.stock import StockStore
from nervure.store.together import Together

UNITS = 1_000_000_000
EXPIRES_AT = NOW + timedelta(minutes=15)
OURS, UPDATE, THREE_ROWS = "ours", "one raw UPDATE", "the same rows, raw"
READY_SECONDS = 60.0

Claim = Callable[[int], None]
"""Takes one unit of the shelf of this number."""
How: TypeAlias = Literal["threads", "processes"]


@dataclass(frozen=True, slots=True)
class Shop:
    """The shelves of one database, each a place with its level's id."""

    url: str
    shelves: Sequence[tuple[Place, int]]

    @property
    def is_postgresql(self) -> bool:
        return not self.url.startswith("sqlite")


@dataclass(frozen=True, slots=True)
class Shift:
    """What the workers are told: which side, on how many shelves, from when until when (monotonic seconds)."""

    side: str
    shelves: int
    starts_at: float
    ends_at: float


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    crews: list[tuple[int, How]] = [(1, "threads"), (sizes.workers, "threads"), (sizes.workers, "processes")]
    for workers, how in crews:
        with kind.fresh() as url, _open(url) as database:
            places = stock_up(database, sizes.claim_items, units=UNITS)
            shop = Shop(url, _levels(database, places))
            with Crew(shop, workers, how) as crew:
                crew.run(OURS, len(places), 0.2)
                done = crew.claimed
                for shelves, where in ((len(places), f"{len(places):,} items"), (1, "one item")):
                    name = "1 worker" if workers == 1 else f"{workers} {how}"
                    say(f"claims: {kind.name}, {name}, {where}")

                    def side(one: str, shelves: int = shelves, crew: "Crew" = crew) -> Callable[[], float]:
                        return lambda: crew.run(one, shelves, sizes.claim_seconds)

                    sides = {one: side(one) for one in (OURS, UPDATE, THREE_ROWS)}
                    measured = interleave(sides, sizes.repetitions)
                    shown = Figure("claims", f"{name}, {where}", kind.name, "claims/s", None)
                    yield from beside(shown, measured)
                assert _reserved(database) == crew.claimed, "claims and units reserved differ"
                assert crew.claimed > done


class Crew:
    """Workers with a connection each. Threads share one hub's `Together`, as they do in the hub; processes do not."""

    def __init__(self, shop: Shop, workers: int, how: How) -> None:
        self.claimed = 0
        self._shop = shop
        self._stack = ExitStack()
        self._lines: list[Line] = []
        context = get_context("forkserver")
        context.set_forkserver_preload(["bench.claims"])
        database = self._stack.enter_context(_open(shop.url)) if how == "threads" else None
        lock = threading.Lock() if how == "threads" and not shop.is_postgresql else None
        together = _hub(database) if database is not None else None
        for seed in range(workers):
            ours, theirs = Pipe()
            if how == "threads":
                worker = threading.Thread(target=_serve, args=(theirs, shop, seed, together, lock), daemon=True)
            else:
                worker = context.Process(target=_serve, args=(theirs, shop, seed), daemon=True)  # type: ignore[assignment]  # started and joined alike
            worker.start()
            self._lines.append(ours)
            self._stack.callback(worker.join)
        for line in self._lines:
            assert line.poll(READY_SECONDS), "a worker did not start"
            line.recv()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.send(None)
        self._stack.close()

    def run(self, side: str, shelves: int, seconds: float) -> float:
        """All work at once for so long; answers claims a second."""
        _forget(self._shop)
        starts_at = time.monotonic() + 0.05
        for line in self._lines:
            line.send(Shift(side, shelves, starts_at, starts_at + seconds))
        answers = [line.recv() for line in self._lines]
        count = sum(answer[0] for answer in answers)
        self.claimed += count
        return float(count / (max(answer[1] for answer in answers) - starts_at))


def _serve(
    line: Line, shop: Shop, seed: int, together: "Hub | None" = None, lock: "threading.Lock | None" = None
) -> None:
    """One worker: works a shift whenever it is told to."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        hub = together or _hub(stack.enter_context(_open(shop.url)))
        raw = _raw_postgresql(shop, stack) if shop.is_postgresql else _raw_sqlite(shop, stack, lock)
        claims: dict[str, Claim] = {OURS: _ours(shop, hub), **raw}
        line.send("ready")
        while (shift := line.recv()) is not None:
            take, count = claims[shift.side], 0
            time.sleep(max(0.0, shift.starts_at - time.monotonic()))
            # One at least: a worker that a busy machine wakes too late would have measured nothing.
            while not count or time.monotonic() < shift.ends_at:
                take(chance.randrange(shift.shelves))
                count += 1
            line.send((count, time.monotonic()))


Hub: TypeAlias = Together[Place, bool]


def _hub(database: Database) -> Hub:
    return Together(database, _claim_all)


def _claim_all(connection: Connection, places: Sequence[Place]) -> list[bool]:
    stock = StockStore(connection, NOW)
    demands = [{place: 1} for place in places]
    answers = decide_in_turn(stock, demands, against=Against.AVAILABLE_TO_PROMISE)
    takes = [take for answer in answers if isinstance(answer, list) for take in answer]
    must_be_taken(takes, stock.hold([(take, "bench", EXPIRES_AT) for take in takes]))
    return [isinstance(answer, list) for answer in answers]


def _ours(shop: Shop, hub: Hub) -> Claim:
    def take(shelf: int) -> None:
        assert hub.ask(shop.shelves[shelf][0]), "nothing was there"

    return take


_TAKE = "UPDATE stock_level SET reserved = reserved + 1 WHERE id = {0} AND on_hand - reserved - allocated >= 1"
_CLAIM = (
    "INSERT INTO claim (stock_level_id, kind, units, state, reference, expires_at, created_at, digest)"
    " VALUES ({0}, 'reservation', 1, 'held', 'bench', {0}, {0}, 0)"
)
_CHANGE = "INSERT INTO availability_change (item_id, location_id, changed_at) VALUES ({0}, {0}, {0})"


def _raw_sqlite(shop: Shop, stack: ExitStack, lock: "threading.Lock | None") -> dict[str, Claim]:
    """A connection set like the hub's. Threads queue at a lock, as the hub's do: it is faster than SQLite's waiting."""
    queue: AbstractContextManager[object] = lock or nullcontext()
    connection = sqlite3.connect(file_of(shop.url), timeout=60, isolation_level=None, check_same_thread=False)
    stack.callback(connection.close)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    update, insert_claim, insert_change = (text.format("?") for text in (_TAKE, _CLAIM, _CHANGE))
    expires, now = EXPIRES_AT.strftime("%Y-%m-%d %H:%M:%S.%f"), NOW.strftime("%Y-%m-%d %H:%M:%S.%f")

    def one(shelf: int) -> None:
        with queue:
            assert connection.execute(update, (shop.shelves[shelf][1],)).rowcount == 1

    def three(shelf: int) -> None:
        place, level = shop.shelves[shelf]
        with queue:
            connection.execute("BEGIN IMMEDIATE")
            assert connection.execute(update, (level,)).rowcount == 1
            connection.execute(insert_claim, (level, expires, now))
            connection.execute(insert_change, (*place, now))
            connection.execute("COMMIT")

    return {UPDATE: one, THREE_ROWS: three}


def _raw_postgresql(shop: Shop, stack: ExitStack) -> dict[str, Claim]:
    connection = stack.enter_context(psycopg.connect(plain(shop.url), autocommit=True))
    update, insert_claim, insert_change = (text.format("%s").encode() for text in (_TAKE, _CLAIM, _CHANGE))

    def one(shelf: int) -> None:
        assert connection.execute(update, (shop.shelves[shelf][1],), prepare=True).rowcount == 1

    def three(shelf: int) -> None:
        place, level = shop.shelves[shelf]
        with connection.transaction():
            assert connection.execute(update, (level,), prepare=True).rowcount == 1
            connection.execute(insert_claim, (level, EXPIRES_AT, NOW), prepare=True)
            connection.execute(insert_change, (*place, NOW), prepare=True)

    return {UPDATE: one, THREE_ROWS: three}


@contextmanager
def _open(url: str) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()


def _levels(database: Database, places: Sequence[Place]) -> list[tuple[Place, int]]:
    with database.read() as connection:
        query = sa.select(LEVEL.c.item_id, LEVEL.c.location_id, LEVEL.c.id)
        ids = {Place(item, location): level for item, location, level in connection.execute(query)}
    return [(place, ids[place]) for place in places]


def _reserved(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.sum(LEVEL.c.reserved))).scalar_one())


def _forget(shop: Shop) -> None:
    """Each shift begins with the same empty tables of claims and changes."""
    if shop.is_postgresql:
        with psycopg.connect(plain(shop.url), autocommit=True) as connection:
            connection.execute(b"TRUNCATE claim, availability_change")
    else:
        file = sqlite3.connect(file_of(shop.url), timeout=60)
        with file:
            file.execute("DELETE FROM claim")
            file.execute("DELETE FROM availability_change")
        file.close()
