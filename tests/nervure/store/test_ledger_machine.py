"""The ledger against a plain model: any history, with transactions rolled back at any point between statements."""

from collections import Counter, defaultdict
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.engine import Connection

from nervure.inventory.claims import claim
from nervure.inventory.ledger import book
from nervure.inventory.stock import Against, ClaimKind, Entry, InsufficientStockError
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.rebuild import find_differences, rebuild
from nervure.store.statements import LEVEL, MOVEMENT
from schemas.stock import INWARD, OUTWARD, AdjustmentReason, Condition, MovementKind
from tests.nervure.world import START, World, at, fresh_sqlite, thrown_away

SKUS = ("BOLT", "NUT")
PLACES = ("paris", "lyon")
OWNERS = ("us", "acme")
Key = tuple[str, str, str]
Shelf = tuple[str, str]


@dataclass
class Model:
    """Plain dictionaries: what moved and was counted at each place, and what is held of each level.

    What lies at a place is the newest count and what moved after it, in whatever order all of it was heard. Of two
    counts of one minute, neither of which has a version, the smaller number holds.
    """

    causes: set[str] = field(default_factory=set)
    claims: dict[str, dict[Key, int]] = field(default_factory=dict)
    moves: dict[Shelf, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[Shelf, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def copy(self) -> "Model":
        return Model(
            set(self.causes),
            {name: dict(units) for name, units in self.claims.items()},
            defaultdict(list, {shelf: list(moves) for shelf, moves in self.moves.items()}),
            defaultdict(list, {shelf: list(counts) for shelf, counts in self.counts.items()}),
        )

    def held(self, key: Key) -> int:
        return sum(units.get(key, 0) for units in self.claims.values())

    def on_hand(self, shelf: Shelf) -> int:
        counts = self.counts[shelf]
        newest = max((minute for minute, _ in counts), default=-1)
        counted = min((units for minute, units in counts if minute == newest), default=0)
        return counted + sum(units for minute, units in self.moves[shelf] if minute > newest)

    def claimable(self, shelf: Shelf) -> int:
        return self.on_hand(shelf) - sum(self.held((*shelf, owner)) for owner in OWNERS)

    def book(self, shelf: Shelf, units: int, cause: str, minute: int) -> None:
        if cause not in self.causes:
            self.causes.add(cause)
            self.moves[shelf].append((minute, units))

    def count(self, shelf: Shelf, units: int, minute: int) -> None:
        self.counts[shelf].append((minute, units))


class DiedError(Exception):
    """The process is gone, and whatever it had not committed with it."""


class LedgerMachine(RuleBasedStateMachine):
    """Each rule is one statement inside an open transaction, which is committed or rolled back at random."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.connection = self.stack.enter_context(self.open())
        world = World(self.connection)
        world.items(*SKUS)
        for place in PLACES:
            world.location(place)
        self.savepoint = self.connection.begin_nested()
        self.model = Model()
        self.committed = Model()
        self.minute = 100
        self.number = 0

    def open(self) -> AbstractContextManager[Connection]:
        """A transaction in a database of its own."""
        raise NotImplementedError

    @property
    def world(self) -> World:
        return World(self.connection, at(self.minute))

    def teardown(self) -> None:
        self.stack.close()

    # -- transactions ------------------------------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        self.savepoint.commit()
        self.committed = self.model.copy()
        self.savepoint = self.connection.begin_nested()

    @rule()
    def roll_back(self) -> None:
        self.savepoint.rollback()
        self.model = self.committed.copy()
        self.savepoint = self.connection.begin_nested()

    # -- movements ---------------------------------------------------------------------------------------------

    @rule(
        sku=st.sampled_from(SKUS),
        place=st.sampled_from(PLACES),
        owner=st.sampled_from(OWNERS),
        kind=st.sampled_from([kind for kind in MovementKind if kind is not MovementKind.ADJUSTED]),
        units=st.integers(1, 5),
        sign=st.sampled_from([-1, 1]),
        minute=st.integers(0, 100),
        times=st.integers(1, 3),
    )
    def move(self, **drawn: Any) -> None:
        self.number += 1
        kind: MovementKind = drawn["kind"]
        sign = -1 if kind in OUTWARD else 1 if kind in INWARD else drawn["sign"]
        cause = f"cause {self.number}"
        entry = Entry(
            self.world.place(drawn["sku"], drawn["place"]),
            kind,
            sign * drawn["units"],
            cause,
            at(drawn["minute"]),
            owner=drawn["owner"],
        )
        for _ in range(drawn["times"]):
            self._book(entry, drawn["minute"], (drawn["sku"], drawn["place"], drawn["owner"]))

    @rule(sku=st.sampled_from(SKUS), place=st.sampled_from(PLACES), reason=st.sampled_from(AdjustmentReason))
    def adjust(self, sku: str, place: str, reason: AdjustmentReason) -> None:
        self.number += 1
        entry = Entry(
            self.world.place(sku, place),
            MovementKind.ADJUSTED,
            -1,
            f"cause {self.number}",
            at(self.minute),
            reason=reason,
        )
        self._book(entry, self.minute, (sku, place, "us"))

    @precondition(lambda self: self.number > 0)
    @rule(sku=st.sampled_from(SKUS), place=st.sampled_from(PLACES), data=st.data())
    def book_an_old_cause_again(self, sku: str, place: str, data: st.DataObject) -> None:
        cause = f"cause {data.draw(st.integers(1, self.number))}"
        if cause in self.model.causes:
            entry = Entry(self.world.place(sku, place), MovementKind.RECEIVED, 9, cause, START)
            self._book(entry, 0, (sku, place, "us"))

    def _book(self, entry: Entry, minute: int, key: Key) -> None:
        known = entry.cause_key in self.model.causes
        booked = book(self.world.stock, [entry])
        assert bool(booked) == (not known)
        self.model.book(key[:2], entry.units, entry.cause_key, minute)

    @rule(sku=st.sampled_from(SKUS), place=st.sampled_from(PLACES), units=st.integers(0, 6), minute=st.integers(0, 100))
    def count(self, sku: str, place: str, units: int, minute: int) -> None:
        world = self.world
        world.count(sku, place, units, minute=minute, source="till")
        self.number += 1
        self.model.count((sku, place), units, minute)

    # -- claims ------------------------------------------------------------------------------------------------

    @rule(
        wanted=st.dictionaries(st.tuples(st.sampled_from(SKUS), st.sampled_from(PLACES)), st.integers(1, 4), min_size=1)
    )
    def reserve(self, wanted: dict[tuple[str, str], int]) -> None:
        self.number += 1
        world = self.world
        demand = {world.place(*place): units for place, units in wanted.items()}
        there = {place: self.model.claimable(place) for place in wanted}
        reference = f"cart {self.number}"
        lacking = {place for place, units in wanted.items() if there[place] < units}
        if lacking:
            with pytest.raises(InsufficientStockError) as refused:
                claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
            assert {one.place for one in refused.value.shortages} == {world.place(*place) for place in lacking}
            return
        takes = claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
        world.stock.reserve(takes, reference=reference, expires_at=at(self.minute))
        keys = self._keys()
        self.model.claims[reference] = {keys[take.level_id]: take.units for take in takes}

    @precondition(lambda self: self.model.claims)
    @rule(data=st.data(), state=st.sampled_from(["released", "consumed"]))
    def end_a_claim(self, data: st.DataObject, state: str) -> None:
        reference = data.draw(st.sampled_from(sorted(self.model.claims)))
        held = self.world.stock.held_by_reference(reference)
        ended = self.world.stock.end_claims(held, state)
        keys = self._keys()
        assert {keys[take.level_id]: take.units for take in ended} == self.model.claims.pop(reference)
        assert self.world.stock.end_claims(held, state) == []

    @precondition(lambda self: self.model.claims)
    @rule(data=st.data())
    def ship(self, data: st.DataObject) -> None:
        reference = data.draw(st.sampled_from(sorted(self.model.claims)))
        world = self.world
        world.stock.end_claims(world.stock.held_by_reference(reference), "consumed")
        for (sku, place, owner), units in self.model.claims.pop(reference).items():
            cause = f"{reference} {sku} {place} {owner}"
            entry = Entry(world.place(sku, place), MovementKind.SHIPPED, -units, cause, at(self.minute), owner=owner)
            self._book(entry, self.minute, (sku, place, owner))

    # -- a process that dies -----------------------------------------------------------------------------------

    @rule(
        what=st.sampled_from(["move", "count", "reserve", "end"]),
        sku=st.sampled_from(SKUS),
        place=st.sampled_from(PLACES),
        units=st.integers(1, 4),
        minute=st.integers(0, 100),
        statements=st.integers(0, 14),
    )
    def die(self, **drawn: Any) -> None:
        """The same work, cut off before some statement of it, or before its commit: nothing of it is there."""
        self.number += 1
        world = self.world
        here, demand = world.place(drawn["sku"], drawn["place"]), {}
        demand[here] = drawn["units"]
        left = drawn["statements"]

        def count_down(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise DiedError

        savepoint = self.connection.begin_nested()
        sa.event.listen(self.connection, "before_cursor_execute", count_down)
        try:
            match drawn["what"]:
                case "move":
                    entry = Entry(here, MovementKind.SOLD, -drawn["units"], f"dies {self.number}", at(drawn["minute"]))
                    book(world.stock, [entry])
                case "count":
                    world.count(drawn["sku"], drawn["place"], drawn["units"], minute=drawn["minute"], source="dies")
                case "reserve":
                    takes = claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
                    world.stock.reserve(takes, reference=f"dies {self.number}", expires_at=at(self.minute))
                case _:
                    for reference in sorted(self.model.claims):
                        world.stock.end_claims(world.stock.held_by_reference(reference), "released")
        except (DiedError, InsufficientStockError):
            pass
        finally:
            sa.event.remove(self.connection, "before_cursor_execute", count_down)
            savepoint.rollback()

    @rule()
    def rebuild(self) -> None:
        assert rebuild(self.connection, at(self.minute)) == []

    # -- what holds after every statement ----------------------------------------------------------------------

    def _keys(self) -> dict[int, Key]:
        names = {self.world.place(sku, place): (sku, place) for sku in SKUS for place in PLACES}
        return {
            row.id: (*names[row.item_id, row.location_id], row.owner)  # type: ignore[index]  # a Place is that pair
            for row in self.connection.execute(
                sa.select(LEVEL.c.id, LEVEL.c.item_id, LEVEL.c.location_id, LEVEL.c.owner)
            )
        }

    @invariant()
    def the_levels_are_what_the_model_says(self) -> None:
        keys = self._keys()
        lying: Counter[Shelf] = Counter()
        for row in self.connection.execute(LEVEL.select().where(LEVEL.c.condition == Condition.SELLABLE.value)):
            key = keys[row.id]
            lying[key[:2]] += row.on_hand
            assert (row.reserved, row.allocated) == (self.model.held(key), 0)
        for shelf in product(SKUS, PLACES):
            assert lying[shelf] == self.model.on_hand(shelf)

    @invariant()
    def the_ledger_adds_up_without_gaps(self) -> None:
        assert find_differences(self.connection) == []
        assert list(AuditStore(self.connection).altered()) == []
        sequences = defaultdict(list)
        for level, sequence in self.connection.execute(
            sa.select(MOVEMENT.c.stock_level_id, MOVEMENT.c.sequence).order_by(MOVEMENT.c.id)
        ):
            sequences[level].append(sequence)
        for found in sequences.values():
            assert sorted(found) == list(range(1, len(found) + 1))


def _settings(examples: int, steps: int) -> settings:
    # Shrinking a history of a database takes longer than reading it.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=examples, stateful_step_count=steps, phases=phases)


def run_on_sqlite(examples: int, steps: int) -> None:
    class OnSqlite(LedgerMachine):
        def open(self) -> AbstractContextManager[Connection]:
            return self.stack.enter_context(fresh_sqlite()).write()

    run_state_machine_as_test(OnSqlite, settings=_settings(examples, steps))


def run_on_postgresql(database: Database, examples: int, steps: int) -> None:
    class OnPostgresql(LedgerMachine):
        def open(self) -> AbstractContextManager[Connection]:
            return thrown_away(database)

    run_state_machine_as_test(OnPostgresql, settings=_settings(examples, steps))


@pytest.mark.requirement("R03", "R11", "R14")
def test_any_history_on_sqlite_is_what_plain_dictionaries_say() -> None:
    run_on_sqlite(50, 30)


@pytest.mark.postgresql
@pytest.mark.requirement("R03", "R11", "R14")
def test_any_history_on_postgresql_is_what_plain_dictionaries_say(shared_postgresql: Database) -> None:
    run_on_postgresql(shared_postgresql, 8, 20)


@pytest.mark.soak
@pytest.mark.requirement("R03", "R11", "R14")
def test_many_long_histories_on_sqlite_are_what_plain_dictionaries_say() -> None:
    run_on_sqlite(400, 60)


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.requirement("R03", "R11", "R14")
def test_many_long_histories_on_postgresql_are_what_plain_dictionaries_say(shared_postgresql: Database) -> None:
    run_on_postgresql(shared_postgresql, 100, 60)
