"""Any history of steps at two stores: each answers what the state before foretells, and every number keeps holding."""

from collections import Counter
from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nervure.invariants import check_all
from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import Actor, DeskRefusedError, UnknownFulfillmentError, WrongCodeError
from nervure.operations.hub import Hub
from nervure.orders.intake import take_in
from nervure.orders.rules import Routing
from nervure.store.audit import AuditStore
from nervure.store.database import Database, open_database
from nervure.store.offering import OFFER
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT
from schemas.fulfillment import RejectReason
from schemas.locations import LocationKind
from schemas.orders import OrderState
from tests.conftest import copy_of
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import SHOP, World, a_pickup, an_order, at, at_once, fresh_sqlite, merchant, must_hold

CODE = "424242"
COURSE = ["allocated", "accepted", "picking", "packed", "ready_for_pickup"]
ANA = Actor("Ana")
some = st.integers(0, 30)


class DeskMachine(RuleBasedStateMachine):
    """Each rule is one step. Its answer is foretold: done, known before, or refused."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.hub: Hub = scripted_hub(self.open(), {"shop": ScriptedShop()})
        with self.hub.database.write() as connection:
            world = World(connection)
            merchant(world, bolt_paris=6, bolt_lyon=6, nut_paris=6, nut_lyon=6)
            world.location("nice", kind=LocationKind.STORE)
            world.channel("shop", {"web": ["paris", "lyon", "nice"]})
            for sku, units in (("BOLT", 5), ("NUT", 4)):
                world.receive(sku, "nice", units)
            connection.execute(LOCATION.update().values(kind="store", accept_seconds=600.0, hold_pickup_seconds=1200.0))
            RoutingStore(connection, world.now).put(Routing(None, {}, 3))
        self.orders: dict[str, int] = {}
        self.minute = 0.0

    def open(self) -> Database:
        raise NotImplementedError

    def teardown(self) -> None:
        with self.stack, looking(self.hub) as world:
            assert check_all(AuditStore(world.connection)) == []

    # -- the model ---------------------------------------------------------------------------------------------

    def one(self, choice: int) -> tuple[int, str, bool]:
        """A fulfillment order, its state, and whether a customer comes for it."""
        with looking(self.hub) as world:
            query = sa.select(FULFILLMENT.c.id, FULFILLMENT.c.state, FULFILLMENT.c.order_id)
            rows = world.connection.execute(query.order_by(FULFILLMENT.c.id)).all()
            row = rows[choice % len(rows)]
            return row.id, row.state, row.order_id in self.pickups(world)

    @staticmethod
    def pickups(world: World) -> set[int]:
        orders = sa.text("SELECT id FROM sales_order WHERE delivery_method = 'pickup'")
        return set(world.connection.execute(orders).scalars())

    def foretold(self, state: str, to: str, before: list[str]) -> str:
        if state in {"shipped", "handed_over"}:
            return "known"
        if state == "canceled":
            return "refused"
        if COURSE.index(state) >= COURSE.index(to):
            return "known"
        return "done" if state in before else "refused"

    @staticmethod
    def answered(step: object) -> str:
        assert callable(step)
        try:
            done = step()
        except (DeskRefusedError, WrongCodeError):
            return "refused"
        return "done" if (done[0] if isinstance(done, tuple) else done) else "known"

    # -- orders ------------------------------------------------------------------------------------------------

    @rule(bolts=st.integers(1, 2), nuts=st.integers(0, 2), kit=st.booleans(), fetched=st.booleans())
    def order(self, bolts: int, nuts: int, kit: bool, fetched: bool) -> None:
        name = str(len(self.orders) + 1)
        lines = {"PAIR": 1} if kit else {"BOLT": bolts} | ({"NUT": nuts} if nuts else {})
        self.minute += 1
        if fetched:
            made = a_pickup(name, lines, "web", minute=self.minute)
        else:
            made = an_order(name, lines, minute=self.minute)
        self.hub.database.run(lambda connection: take_in(made, SHOP, self.hub.desk(connection)))
        self.orders[name] = sum(lines.values())

    @precondition(lambda self: self.orders)
    @rule(choice=some)
    def cancel(self, choice: int) -> None:
        name = sorted(self.orders)[choice % len(self.orders)]
        self.minute += 1
        gone = an_order(name, {"BOLT": 1}, state=OrderState.CANCELED, minute=self.minute)
        self.hub.database.run(lambda connection: take_in(gone, SHOP, self.hub.desk(connection)))

    @rule(units=st.integers(1, 3), place=st.sampled_from(["paris", "lyon"]))
    def goods_in(self, units: int, place: str) -> None:
        with self.hub.database.write() as connection:
            World(connection, self.hub.clock.now()).goods_in("BOLT", place, units)

    @rule(units=st.integers(1, 2))
    def lose(self, units: int) -> None:
        with self.hub.database.write() as connection:
            World(connection, self.hub.clock.now()).lose("NUT", "lyon", units)

    @rule(minutes=st.sampled_from([1, 11, 21]))
    def time_passes(self, minutes: int) -> None:
        advance(self.hub, 60.0 * minutes)
        giving_up.keep_times(self.hub)
        assert giving_up.keep_times(self.hub) == (0, 0, 0), "once is enough"

    # -- steps -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.orders)
    @rule(choice=some, kind=st.sampled_from(["accepted", "picking", "packed"]))
    def go_on(self, choice: int, kind: str) -> None:
        number, state, _ = self.one(choice)
        step, before = {
            "accepted": (lambda: offers.accept(self.hub, number, ANA)[0], ["allocated"]),
            "picking": (lambda: desk.start_picking(self.hub, number, ANA), ["allocated", "accepted"]),
            "packed": (lambda: desk.pack(self.hub, number, ANA, unscanned=True), ["picking"]),
        }[kind]
        assert self.answered(step) == self.foretold(state, kind, before)

    @precondition(lambda self: self.orders)
    @rule(choice=some, place=st.sampled_from(["paris", "lyon", "nice"]), twice=st.booleans())
    def answer_for_a_place(self, choice: int, place: str, twice: bool) -> None:
        """Whoever is asked may be the first; whoever was not finds nothing."""
        number, state, _ = self.one(choice)
        holder, offer = self.offer_to(number, place)
        answer = self.accepted(number, place)
        if isinstance(answer, str):
            if holder == place:
                assert (state, answer in {"taken", "state"}) == ("canceled", True)
            elif offer is None:
                assert answer == "unknown"
            elif (offer, state) == ("open", "allocated"):
                assert (answer, self.offer_to(number, place)) == ("lacks", (holder, "lacking"))
            else:
                assert answer in {"taken", "too_late", "withdrawn"}
            return
        done, there = answer
        assert holder == place or offer in {"open", "accepted"}
        if done and holder != place:
            assert (state, offer, self.offer_to(number, place)[1]) == ("allocated", "open", "accepted")
            assert self.offer_to(there, place)[0] == place
        if twice:
            assert self.accepted(number, place) == (False, there)

    def accepted(self, number: int, place: str) -> tuple[bool, int] | str:
        """What a place that accepts is answered, or the kind of refusal."""
        try:
            return offers.accept(self.hub, number, Actor("Bo", place))
        except UnknownFulfillmentError:
            return "unknown"
        except DeskRefusedError as refused:
            return refused.kind

    @precondition(lambda self: self.orders)
    @rule(choice=some, place=st.sampled_from(["lyon", "nice"]), reason=st.sampled_from(RejectReason))
    def decline(self, choice: int, place: str, reason: RejectReason) -> None:
        number, state, _ = self.one(choice)
        holder, offer = self.offer_to(number, place)
        if holder == place or offer is None:
            return
        answer = self.answered(lambda: giving_up.reject(self.hub, number, reason, Actor("Bo", place)))
        is_open = offer == "open" and state == "allocated"
        assert answer == ("done" if is_open else "known" if offer == "declined" else "refused")

    def offer_to(self, number: int, place: str) -> tuple[str, str | None]:
        """Where a fulfillment order is, and what became of its offer to a place."""
        with looking(self.hub) as world:
            where = sa.select(LOCATION.c.code).join(FULFILLMENT).where(FULFILLMENT.c.id == number)
            mine = sa.select(OFFER.c.state).join(LOCATION, LOCATION.c.id == OFFER.c.location_id)
            mine = mine.where(OFFER.c.fulfillment_order_id == number, LOCATION.c.code == place)
            return str(world.connection.execute(where).scalar()), world.connection.execute(mine).scalar()

    @precondition(lambda self: self.orders)
    @rule(choice=some)
    def all_the_way(self, choice: int) -> None:
        number, state, fetched = self.one(choice)
        if state in COURSE[:3] and fetched:
            desk.start_picking(self.hub, number, ANA)
            desk.pack(self.hub, number, ANA, unscanned=True)
            assert desk.make_ready(self.hub, number, ANA, new_code=lambda: CODE) == (True, CODE)

    @precondition(lambda self: self.orders)
    @rule(choice=some)
    def make_ready(self, choice: int) -> None:
        number, state, fetched = self.one(choice)
        must = self.foretold(state, "ready_for_pickup", ["packed"]) if fetched else "refused"
        assert self.answered(lambda: desk.make_ready(self.hub, number, ANA, new_code=lambda: CODE)) == must

    @precondition(lambda self: self.orders)
    @rule(choice=some)
    def send(self, choice: int) -> None:
        number, state, fetched = self.one(choice)
        known = state in {"shipped", "handed_over"}
        must = "known" if known else "refused" if fetched or state == "canceled" else "done"
        assert self.answered(lambda: desk.send(self.hub, number, ANA)) == must

    @precondition(lambda self: self.orders)
    @rule(choice=some, is_right=st.booleans(), part=st.booleans())
    def hand_over(self, choice: int, is_right: bool, part: bool) -> None:
        number, state, _ = self.one(choice)
        only = {"BOLT": 1} if part else None
        answer = self.answered(lambda: desk.hand_over(self.hub, number, CODE if is_right else "000000", ANA, only=only))
        if state == "handed_over":
            assert answer == "known"
        elif state != "ready_for_pickup" or not is_right:
            assert answer == "refused"
        elif not part:
            assert answer == "done" or self.is_blocked(number)

    def is_blocked(self, number: int) -> bool:
        with looking(self.hub) as world:
            wrong = sa.select(sa.func.count()).where(
                FULFILLMENT_EVENT.c.fulfillment_order_id == number, FULFILLMENT_EVENT.c.kind == "wrong_code"
            )
            return int(world.connection.execute(wrong).scalar_one()) >= desk.MAX_WRONG_CODES

    @precondition(lambda self: self.orders)
    @rule(choice=some, reason=st.sampled_from(RejectReason), keeps=st.none() | st.integers(0, 1))
    def reject(self, choice: int, reason: RejectReason, keeps: int | None) -> None:
        number, state, _ = self.one(choice)
        wanted = None if keeps is None else {"BOLT": keeps}
        answer = self.answered(lambda: giving_up.reject(self.hub, number, reason, ANA, keeps=wanted))
        if state in {"shipped", "handed_over", "ready_for_pickup"}:
            assert answer == "refused"
        elif state in COURSE and keeps is None:
            assert answer == "done"
        if answer == "done":
            again = self.answered(lambda: giving_up.reject(self.hub, number, reason, ANA, keeps=wanted))
            assert again == "known", "the same again changes nothing"

    @precondition(lambda self: self.orders)
    @rule(choice=some)
    def return_to_sale(self, choice: int) -> None:
        number, state, _ = self.one(choice)
        answer = self.answered(lambda: giving_up.return_to_sale(self.hub, number, ANA))
        assert answer == "done" if state == "ready_for_pickup" else answer != "done"

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def every_number_holds(self) -> None:
        with looking(self.hub) as world:
            strained = [("NUT", "lyon")] if world.claimable("NUT", "lyon") < 0 else []
            must_hold(world, oversold=strained)

    @invariant()
    def each_step_is_noted_once(self) -> None:
        with looking(self.hub) as world:
            here = FULFILLMENT_EVENT.c.location_id.is_(None)
            events = world.connection.execute(
                sa.select(FULFILLMENT_EVENT.c.fulfillment_order_id, FULFILLMENT_EVENT.c.kind).where(here)
            ).all()
            once = Counter(
                (number, kind) for number, kind in events if kind not in {"rejected", "wrong_code", "reduced"}
            )
            assert set(once.values()) <= {1}
            for number, state in world.connection.execute(sa.select(FULFILLMENT.c.id, FULFILLMENT.c.state)):
                if state in {"accepted", "picking", "packed"}:
                    assert once[number, state] == 1
                assert (state in {"shipped", "handed_over", "canceled"}) == any(
                    once[number, kind] for kind in ("shipped", "handed_over", "canceled")
                )

    @invariant()
    def each_offer_has_one_answer_and_each_order_one_taker(self) -> None:
        """An offer begins with one event, and ends with one; what was accepted elsewhere is done elsewhere."""
        ends = {
            "accepted": None,
            "declined": "rejected",
            "expired": "timed_out",
            "taken": "taken",
            "lacking": "lacks",
            "withdrawn": "withdrawn",
        }
        with looking(self.hub) as world:
            event = FULFILLMENT_EVENT.c
            told: dict[tuple[int, int], list[str]] = {}
            rows = sa.select(event.fulfillment_order_id, event.location_id, event.kind).where(
                event.location_id.is_not(None)
            )
            for number, location, kind in world.connection.execute(rows.order_by(event.id)):
                told.setdefault((number, location), []).append(kind)
            offered = world.connection.execute(
                sa.select(OFFER, FULFILLMENT.c.state.label("now"), FULFILLMENT.c.moved_to_id).join(FULFILLMENT)
            ).all()
            assert told.keys() == {(one.fulfillment_order_id, one.location_id) for one in offered}
            for one in offered:
                end = None if one.state == "open" else ends[one.state]
                expected = ["offered"] if end is None else ["offered", end]
                assert told[one.fulfillment_order_id, one.location_id] == expected
                if one.state == "accepted":
                    assert (one.now, one.moved_to_id is None) == ("canceled", False)


def test_any_history_at_the_desk_on_sqlite_keeps_every_number() -> None:
    class OnSqlite(DeskMachine):
        def open(self) -> Database:
            return self.stack.enter_context(fresh_sqlite())

    run_state_machine_as_test(OnSqlite, settings=settings(max_examples=5, stateful_step_count=25))


@pytest.mark.soak
def test_many_histories_at_the_desk_keep_every_number() -> None:
    class OnSqlite(DeskMachine):
        def open(self) -> Database:
            return self.stack.enter_context(fresh_sqlite())

    run_state_machine_as_test(OnSqlite, settings=settings(max_examples=500, stateful_step_count=40))


@pytest.mark.postgresql
def test_any_history_at_the_desk_on_postgresql_keeps_every_number(postgresql_url: str, migrated_template: str) -> None:
    class OnPostgresql(DeskMachine):
        def open(self) -> Database:
            url = self.stack.enter_context(copy_of(postgresql_url, migrated_template))
            database = open_database(url)
            self.stack.callback(database.close)
            return database

    run_state_machine_as_test(OnPostgresql, settings=settings(max_examples=2, stateful_step_count=20))


@pytest.mark.postgresql
def test_of_steps_taken_at_once_one_wins_and_the_others_are_told(postgresql: Database) -> None:
    hub = scripted_hub(postgresql, {"shop": ScriptedShop()})
    with postgresql.write() as connection:
        merchant(World(connection), bolt_paris=40, bolt_lyon=40)
    for turn in range(6):
        made = an_order(str(turn), {"BOLT": 2}, minute=turn)
        hub.database.run(lambda connection: take_in(made, SHOP, hub.desk(connection)))  # noqa: B023 - runs at once
        with looking(hub) as world:
            [number] = world.fulfillment_numbers(str(turn))
        answers = at_once(
            [lambda: offers.accept(hub, number, ANA)[0]] * 3  # noqa: B023 - runs at once
            + [lambda: giving_up.reject(hub, number, RejectReason.OTHER, ANA)] * 3  # noqa: B023 - runs at once
            + [lambda: desk.send(hub, number, ANA, shipped_at=at(1))] * 3  # noqa: B023 - runs at once
        )
        assert all(isinstance(one, bool | DeskRefusedError) for one in answers), answers
        sent, rejected = answers[6:].count(True), answers[3:6].count(True)
        assert sent + rejected == 1
        assert answers[:3].count(True) <= 1
        with looking(hub) as world:
            must_hold(world)
            state = "shipped" if sent else "allocated"
            assert world.served(str(turn)) == {(f"{turn}-1", "paris" if sent else "lyon", state): 2}
