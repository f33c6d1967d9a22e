"""Any movements by hand, repeated, refused and undone, against plain dictionaries keyed by the stock key."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.engine import Connection

from nervure.inventory.claims import claim
from nervure.inventory.stock import Against, ClaimKind, InsufficientStockError
from nervure.operations.lots import withdraw_expired
from nervure.operations.movements import (
    Goods,
    MovementError,
    assemble,
    change_condition,
    change_owner,
    consume,
    disassemble,
)
from nervure.operations.staff import adjust, receive
from nervure.operations.undo import UndoError, preview, undo
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.rebuild import find_differences
from nervure.store.statements import LEVEL, MOVEMENT
from schemas.items import Item, KitComponent, LotTracking
from schemas.stock import AdjustmentReason, Condition
from tests.nervure.operations.scripted import ScriptedShop, advance, scripted_hub
from tests.nervure.world import START, World, fresh_sqlite, thrown_away

T = TypeVar("T")
TODAY = START.date()
LOTS = {"A": TODAY + timedelta(days=1), "B": TODAY + timedelta(days=3)}
RECIPES = {"BENCH": {"BOLT": 2, "NUT": 1}, "HAMPER": {"JAM": 2, "BOLT": 1}}
PLACES = ("paris", "lyon")
OWNERS = ("us", "acme")

sku_and_lot = st.sampled_from([("BOLT", ""), ("NUT", ""), ("BENCH", ""), ("JAM", "A"), ("JAM", "B"), ("HAMPER", "")])
units_of = st.integers(1, 6)


class Key(NamedTuple):
    sku: str
    location: str
    owner: str = "us"
    condition: str = "sellable"
    lot: str = ""

    @property
    def goods(self) -> Goods:
        return Goods(self.sku, self.location, self.owner, Condition(self.condition), self.lot)


keys = st.builds(
    lambda named, location, owner, condition: Key(named[0], location, owner, condition, named[1]),
    sku_and_lot,
    st.sampled_from(PLACES),
    st.sampled_from(OWNERS),
    st.sampled_from(["sellable", "sellable", "damaged", "on_hold"]),
)


@dataclass
class Model:
    """What should be true: units and reservations by key, movements by key, and what each document moved."""

    on_hand: Counter[Key] = field(default_factory=Counter)
    held: Counter[Key] = field(default_factory=Counter)
    moved: Counter[Key] = field(default_factory=Counter)
    documents: dict[str, list[tuple[Key, int]]] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    today: date = TODAY

    def book(self, *moves: tuple[Key, int]) -> None:
        for key, units in moves:
            self.on_hand[key] += units
            self.moved[key] += 1

    def claimable(self, key: Key) -> int:
        """Units that a claim may take of a key; what an expired lot has counts for nothing, what it owes does."""
        free = self.on_hand[key] - self.held[key]
        return min(free, 0) if key.lot and LOTS[key.lot] <= self.today else free

    def take(self, sku: str, location: str, units: int) -> list[tuple[Key, int]] | None:
        """Which keys give these units, the first to expire first, then ours; None: not enough is there."""
        here = [key for key in self.on_hand if key[:2] == (sku, location) and key.condition == "sellable"]
        if sum(self.claimable(key) for key in here) < units:
            return None
        taken = []
        for key in sorted(here, key=lambda key: (LOTS.get(key.lot, date.max), key.owner != "us")):
            some = min(units, max(self.claimable(key), 0))
            if some:
                taken.append((key, some))
                units -= some
        return taken


class OneTransaction(Database):
    """A database of which every transaction is a savepoint inside one that is thrown away."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.engine)
        self._connection = connection

    def run(self, work: Callable[[Connection], T]) -> T:
        with self._connection.begin_nested():
            return work(self._connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection


class MovementMachine(RuleBasedStateMachine):
    """Each rule is one operation; it is compared with the model, whether it books, refuses or knows the document."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.connection = self.stack.enter_context(self.open())
        world = World(self.connection)
        for place in PLACES:
            world.location(place)
        world.items("BOLT", "NUT")
        catalogue = CatalogueStore(self.connection, START)
        catalogue.put_items([Item(sku="JAM", title="Jam", lot_tracking=LotTracking.EXPIRY)])
        catalogue.put_items(
            [
                Item(sku=sku, title=sku, recipe=tuple(KitComponent(sku=part, units=per) for part, per in parts.items()))
                for sku, parts in RECIPES.items()
            ]
        )
        self.hub = scripted_hub(OneTransaction(self.connection), {"shop": ScriptedShop()})
        self.model = Model()
        self.again: dict[str, Callable[[], bool]] = {}
        self.number = 0

    def open(self) -> AbstractContextManager[Connection]:
        """A transaction in a database of its own."""
        raise NotImplementedError

    def teardown(self) -> None:
        self.stack.close()

    def _do(
        self, kind: str, operation: Callable[[str], bool], moves: list[tuple[Key, int]] | None, *, shared: bool = False
    ) -> None:
        """Books under a new document (or `shared`: under the last one), or is refused where the model has no moves."""
        self.number += 0 if shared and self.number else 1
        name, known = f"{self.number}", f"{kind}:{self.number}"
        if known in self.model.documents:
            return
        if moves is None:
            with pytest.raises(MovementError):
                operation(name)
            return
        assert operation(name)
        self.model.book(*moves)
        self.model.documents[known] = moves
        self.again[known] = lambda: operation(name)

    # -- movements ---------------------------------------------------------------------------------------------

    @rule(key=keys, units=units_of, shared=st.booleans())
    def receive(self, key: Key, units: int, shared: bool) -> None:
        def operation(name: str) -> bool:
            return receive(
                self.hub,
                key.sku,
                key.location,
                units,
                document=name,
                owner=key.owner,
                condition=Condition(key.condition),
                lot=key.lot,
                expires_on=LOTS.get(key.lot),
            )

        self._do("receipt", operation, [(key, units)], shared=shared)

    @precondition(lambda self: self.model.on_hand)
    @rule(data=st.data(), units=units_of, sign=st.sampled_from([-1, 1]), reason=st.sampled_from(AdjustmentReason))
    def adjust(self, data: st.DataObject, **drawn: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.on_hand)))
        signed, reason = drawn["sign"] * drawn["units"], drawn["reason"]

        def operation(name: str) -> bool:
            return adjust(
                self.hub,
                key.sku,
                key.location,
                signed,
                reason=reason,
                document=name,
                owner=key.owner,
                condition=Condition(key.condition),
                lot=key.lot,
            )

        self._do("adjustment", operation, [(key, signed)])

    @precondition(lambda self: self.model.on_hand)
    @rule(data=st.data(), units=units_of, to=st.sampled_from(Condition))
    def change_condition(self, data: st.DataObject, units: int, to: Condition) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.on_hand)))
        fits = self.model.on_hand[key] >= units and to != key.condition
        moves = [(key, -units), (key._replace(condition=to.value), units)] if fits else None
        self._do("condition", lambda name: change_condition(self.hub, key.goods, units, to, document=name), moves)

    @precondition(lambda self: self.model.on_hand)
    @rule(data=st.data(), units=units_of, to=st.sampled_from(OWNERS))
    def change_owner(self, data: st.DataObject, units: int, to: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.on_hand)))
        fits = self.model.on_hand[key] >= units and to != key.owner
        moves = [(key, -units), (key._replace(owner=to), units)] if fits else None
        self._do("ownership", lambda name: change_owner(self.hub, key.goods, units, to, document=name), moves)

    @precondition(lambda self: self.model.on_hand)
    @rule(data=st.data(), units=units_of)
    def consume(self, data: st.DataObject, units: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.on_hand)))
        moves = [(key, -units)] if self.model.on_hand[key] >= units else None
        self._do("consumption", lambda name: consume(self.hub, key.goods, units, document=name), moves)

    @rule(sku=st.sampled_from(sorted(RECIPES)), location=st.sampled_from(PLACES), units=st.integers(1, 2))
    def assemble(self, sku: str, location: str, units: int) -> None:
        taken = [self.model.take(part, location, units * per) for part, per in RECIPES[sku].items()]
        moves: list[tuple[Key, int]] | None = None
        if all(part is not None for part in taken):
            moves = [(key, -some) for part in taken for key, some in part or ()]
            moves.append((Key(sku, location), units))
        self._do("assembly", lambda name: assemble(self.hub, Goods(sku, location), units, document=name), moves)

    @rule(location=st.sampled_from(PLACES), units=st.integers(1, 2))
    def disassemble(self, location: str, units: int) -> None:
        taken = self.model.take("BENCH", location, units)
        moves: list[tuple[Key, int]] | None = None
        if taken is not None:
            moves = [(key, -some) for key, some in taken]
            moves += [(Key(part, location), units * per) for part, per in RECIPES["BENCH"].items()]
        self._do(
            "disassembly", lambda name: disassemble(self.hub, Goods("BENCH", location), units, document=name), moves
        )

    @rule(sku=st.sampled_from(["BOLT", "JAM", "BENCH"]), location=st.sampled_from(PLACES), units=units_of)
    def reserve(self, sku: str, location: str, units: int) -> None:
        world = World(self.connection, self.hub.clock.now())
        self.number += 1
        demand = {world.place(sku, location): units}
        taken = self.model.take(sku, location, units)
        if taken is None:
            with pytest.raises(InsufficientStockError):
                claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
            return
        takes = claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
        end = self.hub.clock.now() + timedelta(days=99)
        world.stock.reserve(takes, reference=f"cart {self.number}", expires_at=end)
        for key, some in taken:
            self.model.held[key] += some

    @rule()
    def a_day_passes(self) -> None:
        advance(self.hub, 86_400)
        self.model.today += timedelta(days=1)
        expired = [
            (key, units)
            for key, units in self.model.on_hand.items()
            if key.condition == "sellable" and key.lot and LOTS[key.lot] <= self.model.today and units > 0
        ]
        assert withdraw_expired(self.hub) == sum(units for _, units in expired)
        assert withdraw_expired(self.hub) == 0
        for key, units in expired:
            self.model.book((key, -units), (key._replace(condition="on_hold"), units))

    # -- the same again, and back ------------------------------------------------------------------------------

    @precondition(lambda self: self.again)
    @rule(data=st.data())
    def hear_a_document_again(self, data: st.DataObject) -> None:
        assert not self.again[data.draw(st.sampled_from(sorted(self.again)))]()

    @precondition(lambda self: self.model.documents)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        document = data.draw(st.sampled_from(sorted(self.model.documents)))
        expected = [] if document in self.model.undone else self.model.documents[document]
        foreseen = preview(self.hub, document)
        done = undo(self.hub, document)
        assert foreseen == done
        written = [(Key(one.sku, one.location, one.owner, one.condition, one.lot), one.units) for one in done.entries]
        assert sorted(written) == sorted((key, -units) for key, units in expected)
        self.model.book(*written)
        self.model.undone.add(document)
        with pytest.raises(UndoError, match="is itself an undo"):
            undo(self.hub, f"undo:{document}")

    # -- what holds after every step ---------------------------------------------------------------------------

    @invariant()
    def every_level_is_what_the_model_says(self) -> None:
        world = World(self.connection)
        names = {world.place(sku, place): (sku, place) for sku in self._skus() for place in PLACES}
        found = {}
        for row in self.connection.execute(LEVEL.select()):
            key = Key(*names[row.item_id, row.location_id], row.owner, row.condition, row.lot)  # type: ignore[index]  # a Place is that pair
            found[key] = (row.on_hand, row.reserved, row.sequence)
        for key in found.keys() | self.model.moved.keys():
            expected = (self.model.on_hand[key], self.model.held[key], self.model.moved[key])
            assert found.get(key, (0, 0, 0)) == expected, key

    def _skus(self) -> set[str]:
        return {"BOLT", "NUT", "JAM", *RECIPES}

    @invariant()
    def the_ledger_adds_up_without_gaps(self) -> None:
        assert find_differences(self.connection) == []
        sequences = defaultdict(list)
        query = sa.select(MOVEMENT.c.stock_level_id, MOVEMENT.c.sequence).order_by(MOVEMENT.c.id)
        for level, sequence in self.connection.execute(query):
            sequences[level].append(sequence)
        for found in sequences.values():
            assert found == list(range(1, len(found) + 1))


def on_sqlite(examples: int, steps: int) -> None:
    class OnSqlite(MovementMachine):
        def open(self) -> AbstractContextManager[Connection]:
            return self.stack.enter_context(fresh_sqlite()).write()

    run_state_machine_as_test(OnSqlite, settings=settings(max_examples=examples, stateful_step_count=steps))


def on_postgresql(database: Database, examples: int, steps: int) -> None:
    class OnPostgresql(MovementMachine):
        def open(self) -> AbstractContextManager[Connection]:
            return thrown_away(database)

    run_state_machine_as_test(OnPostgresql, settings=settings(max_examples=examples, stateful_step_count=steps))


def test_any_movements_by_hand_on_sqlite_are_what_plain_dictionaries_say() -> None:
    on_sqlite(25, 30)


@pytest.mark.postgresql
def test_any_movements_by_hand_on_postgresql_are_what_plain_dictionaries_say(shared_postgresql: Database) -> None:
    on_postgresql(shared_postgresql, 6, 25)


@pytest.mark.soak
def test_very_many_movements_by_hand_on_sqlite_are_what_plain_dictionaries_say() -> None:
    on_sqlite(400, 60)


@pytest.mark.soak
@pytest.mark.postgresql
def test_very_many_movements_by_hand_on_postgresql_are_what_plain_dictionaries_say(
    shared_postgresql: Database,
) -> None:
    on_postgresql(shared_postgresql, 60, 60)
