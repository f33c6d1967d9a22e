"""Orders, goods, proposals, answers, deadlines and the channel's words in any order, against plain numbers."""

from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nervure.invariants import check_all
from nervure.operations.choosing import ProposalOverError, choose
from nervure.operations.deadlines import keep_proposals
from nervure.operations.hub import Hub
from nervure.operations.proposing import make_proposals
from nervure.operations.reservations import expire_reservations
from nervure.operations.shortfalls import list_shortfalls, proposals_of
from nervure.operations.staff import ship_fulfillment
from nervure.store.audit import AuditStore
from nervure.store.database import Database, open_database
from nervure.store.proposals import ProposalSeen
from nervure.store.statements import LEVEL
from schemas.orders import OrderState
from schemas.substitution import AtDeadline, Consent, OptionKind
from tests.conftest import copy_of
from tests.nervure.operations.caps import TO_PARIS, goods_in, hat_shop, policy, state
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.world import Bought, an_order, fresh_sqlite, must_hold

SKUS = ("RED", "BLUE", "PRO")
CONSENTS = st.fixed_dictionaries({kind.value: st.sampled_from(list(Consent)) for kind in OptionKind})


@dataclass
class Sold:
    """An order of one line as the channel states it, and units that were canceled because somebody chose so."""

    sku: str
    units: int
    minute: int = 0
    canceled: int = 0
    is_canceled: bool = False


class ShortfallMachine(RuleBasedStateMachine):
    """Whatever happens, every unit that was sold is served, short, or canceled by a choice; nothing is sold twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.database = self.open()
        self.hub: Hub = hat_shop(self.database, policy(), blue_depot=2, pro_depot=1, red_near=1)
        self.on_hand = {"RED": 1, "BLUE": 2, "PRO": 1}
        self.sold: dict[str, Sold] = {}

    def open(self) -> Database:
        return self.stack.enter_context(fresh_sqlite())

    def teardown(self) -> None:
        with looking(self.hub) as world:
            broken = check_all(AuditStore(world.connection))
        self.stack.close()
        assert broken == []

    # -- what happens ------------------------------------------------------------------------------------------

    @rule(consents=CONSENTS, at_deadline=st.sampled_from(list(AtDeadline)))
    def settings_change(self, consents: dict[str, Consent], at_deadline: AtDeadline) -> None:
        account = self.hub.accounts["shop"]
        object.__setattr__(account, "shortfalls", policy(at_deadline, 2, **consents))

    @rule(sku=st.sampled_from(SKUS), units=st.integers(1, 3))
    def order(self, sku: str, units: int) -> None:
        name = str(len(self.sold) + 1)
        self.sold[name] = Sold(sku, units)
        self.say(name)

    @rule(sku=st.sampled_from(SKUS), units=st.integers(1, 2))
    def goods_come(self, sku: str, units: int) -> None:
        goods_in(self.hub, sku, units)
        self.on_hand[sku] += units

    @rule()
    def propose(self) -> None:
        before = self.cuts()
        make_proposals(self.hub)
        self.note_cuts(before)

    @rule(data=st.data())
    @precondition(lambda self: self.proposals("open"))
    def answer(self, data: st.DataObject) -> None:
        made = data.draw(st.sampled_from(self.proposals("open")))
        option = data.draw(st.sampled_from(made.options))
        before = self.cuts()
        try:
            choose(self.hub, made.token, option.key)
        except ProposalOverError:
            assert not self.is_needed(made)
        else:
            assert self.is_answered(made, option.key)
        self.note_cuts(before)

    @rule(data=st.data())
    @precondition(lambda self: self.proposals("chosen", "expired", "withdrawn"))
    def answer_too_late(self, data: st.DataObject) -> None:
        made = data.draw(st.sampled_from(self.proposals("chosen", "expired", "withdrawn")))
        with pytest.raises(ProposalOverError):
            choose(self.hub, made.token, data.draw(st.sampled_from(made.options)).key)

    @rule(hours=st.sampled_from([1, 24, 25]))
    def time_passes(self, hours: int) -> None:
        advance(self.hub, hours * 3600)
        before = self.cuts()
        expire_reservations(self.hub)
        keep_proposals(self.hub)
        self.note_cuts(before)

    @rule(data=st.data(), more=st.integers(0, 1))
    @precondition(lambda self: self.open_orders())
    def channel_says_it_again(self, data: st.DataObject, more: int) -> None:
        name = data.draw(st.sampled_from(self.open_orders()))
        self.sold[name].units += more
        self.say(name)

    @rule(data=st.data())
    @precondition(lambda self: self.open_orders())
    def channel_cancels(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.open_orders()))
        self.sold[name].is_canceled = True
        self.say(name)

    @rule(data=st.data())
    @precondition(lambda self: self.open_orders())
    def somebody_ships(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.open_orders()))
        with looking(self.hub) as world:
            numbers = world.fulfillment_numbers(name)
            items = {key: state for (_, place, state), units in world.served(name).items() for key in [place]}
        if numbers and "near" not in items:
            for number in numbers:
                ship_fulfillment(self.hub, number)

    # -- what must hold ----------------------------------------------------------------------------------------

    @invariant()
    def every_unit_is_accounted_for(self) -> None:
        with looking(self.hub) as world:
            must_hold(world)
            for name, sold in self.sold.items():
                lines = world.lines(name)
                left = sum(units for (_, _, state), units in world.served(name).items() if state in LEFT)
                is_open = sum(line[0] for line in lines.values())
                assert is_open == (left if sold.is_canceled else sold.units - sold.canceled), (name, lines)

    @invariant()
    def what_is_open_holds_what_it_says_and_nothing_else_is_held(self) -> None:
        held: dict[str, int] = {}
        for made in self.proposals("open"):
            for option in made.options:
                assert sum(units for _, units in option.places) == (made.units if option.places else 0)
                for _, units in option.places:
                    held[option.sku or made.sku] = held.get(option.sku or made.sku, 0) + units
        with looking(self.hub) as world:
            for sku in SKUS:
                reserved = sum(
                    row.reserved
                    for row in world.connection.execute(LEVEL.select())
                    if row.item_id == world.place(sku, "depot").item_id
                )
                assert reserved == held.get(sku, 0), sku

    # -- the model ---------------------------------------------------------------------------------------------

    def say(self, name: str) -> None:
        sold = self.sold[name]
        sold.minute += 1
        said = an_order(
            name,
            [Bought(sold.sku, sold.units)],
            minute=sold.minute,
            delivery=TO_PARIS,
            state=OrderState.CANCELED if sold.is_canceled else OrderState.OPEN,
        )
        state(self.hub, said)

    def open_orders(self) -> list[str]:
        return [name for name, sold in self.sold.items() if not sold.is_canceled]

    def proposals(self, *states: str) -> list[ProposalSeen]:
        found = [one for name in self.sold for one in proposals_of(self.hub, "shop", name)]
        return [one for one in found if one.state in states]

    def cuts(self) -> set[int]:
        return {one.id for one in self.proposals("chosen") if one.chosen == "cancel"}

    def note_cuts(self, before: set[int]) -> None:
        for one in self.proposals("chosen"):
            if one.chosen == "cancel" and one.id not in before:
                self.sold[one.order].canceled += one.units

    def is_needed(self, made: ProposalSeen) -> bool:
        is_late = made.expires_at <= self.hub.clock.now()
        lacks = {short.line_id: short.units for short, _ in list_shortfalls(self.hub)}
        return not is_late and not self.sold[made.order].is_canceled and lacks.get(made.line_id, 0) >= made.units

    def is_answered(self, made: ProposalSeen, key: str) -> bool:
        [now] = [one for one in proposals_of(self.hub, "shop", made.order) if one.id == made.id]
        return (now.state, now.chosen) == ("chosen", key)


LEFT = ("shipped", "handed_over")


@pytest.mark.requirement("R02")
def test_any_history_of_shortfalls_accounts_for_every_unit_on_sqlite() -> None:
    few = settings(max_examples=12, stateful_step_count=25)
    run_state_machine_as_test(ShortfallMachine, settings=few)


@pytest.mark.postgresql
def test_any_history_of_shortfalls_accounts_for_every_unit_on_postgresql(
    postgresql_url: str, migrated_template: str
) -> None:
    class OnPostgresql(ShortfallMachine):
        def open(self) -> Database:
            database = open_database(self.stack.enter_context(copy_of(postgresql_url, migrated_template)))
            self.stack.callback(database.close)
            return database

    few = settings(max_examples=3, stateful_step_count=12)
    run_state_machine_as_test(OnPostgresql, settings=few)
