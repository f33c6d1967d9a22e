"""Answers that race: with each other, with the deadline, with goods that come, with the channel, and with carts."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from nervure.clock import ManualClock
from nervure.invariants import check_all
from nervure.operations.choosing import ProposalOverError, choose
from nervure.operations.deadlines import keep_proposals
from nervure.operations.hub import Hub
from nervure.operations.proposing import make_proposals
from nervure.operations.reservations import NotEnoughStockError, Wish, expire_reservations, make_reservation
from nervure.operations.shortfalls import proposals_of
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.proposals import ProposalSeen
from schemas.orders import OrderState
from schemas.substitution import AtDeadline
from tests.nervure.operations.caps import goods_in, hat_shop, order, policy, state
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.world import an_order, at, at_once, must_hold

pytestmark = pytest.mark.postgresql

ROUNDS = 8


def all_holds(hub: Hub) -> None:
    with looking(hub) as world:
        must_hold(world)
        assert check_all(AuditStore(world.connection)) == []


def failures(outcomes: list[object]) -> Counter[type]:
    return Counter(type(one) for one in outcomes if isinstance(one, Exception))


def proposed(hub: Hub, names: list[str]) -> dict[str, ProposalSeen]:
    assert make_proposals(hub) == len(names)
    return {name: proposals_of(hub, "shop", name)[-1] for name in names}


def names(count: int = ROUNDS) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


@pytest.mark.requirement("R02", "R22")
def test_of_answers_from_many_devices_one_counts(postgresql_at: Database) -> None:
    hub = hat_shop(postgresql_at, policy(), blue_depot=ROUNDS, green_depot=ROUNDS, red_near=ROUNDS)
    for name in names():
        order(hub, name)
    for name, made in proposed(hub, names()).items():
        keys = ["variant:BLUE", "variant:GREEN", "pickup:near", "cancel", "variant:BLUE"]
        outcomes = at_once([partial(choose, hub, made.token, key) for key in keys])
        assert failures(outcomes) == {ProposalOverError: 4}
        [won] = [one for one in outcomes if isinstance(one, ProposalSeen)]
        with looking(hub) as world:
            served = sum(units for _, units, _ in world.lines(name).values())
            short = sum(units for _, _, units in world.lines(name).values())
            assert (served, short) == (0 if won.chosen == "cancel" else 1, 0)
    all_holds(hub)


@pytest.mark.parametrize("at_deadline", list(AtDeadline))
def test_an_answer_against_the_deadline_is_one_effect(postgresql_at: Database, at_deadline: AtDeadline) -> None:
    hub = hat_shop(postgresql_at, policy(at_deadline), blue_depot=ROUNDS)
    for name in names():
        order(hub, name)
    made = proposed(hub, names())
    advance(hub, 24 * 3600 - 1)
    for one in made.values():
        # The clock of whoever keeps the deadlines runs a little ahead of that of whoever answers.
        ahead = _ahead(hub, 1)
        outcomes = at_once([partial(choose, hub, one.token, "variant:BLUE"), partial(keep_proposals, ahead)])
        assert set(failures(outcomes)) <= {ProposalOverError}
    keep_proposals(_ahead(hub, 1))
    ended = Counter((one.state, one.chosen) for name in names() for one in proposals_of(hub, "shop", name))
    assert sum(ended.values()) == ROUNDS
    other = {
        AtDeadline.WAIT: ("expired", None),
        AtDeadline.FIRST: ("chosen", "variant:BLUE"),
        AtDeadline.CANCEL: ("chosen", "cancel"),
    }[at_deadline]
    assert set(ended) <= {("chosen", "variant:BLUE"), other}
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == ROUNDS - ended["chosen", "variant:BLUE"]
    all_holds(hub)


def _ahead(hub: Hub, seconds: float) -> Hub:
    """The same hub, as a process whose clock runs ahead."""
    return replace(hub, clock=ManualClock(hub.clock.now() + timedelta(seconds=seconds)))


def test_an_answer_against_goods_that_come_serves_the_order_once(postgresql_at: Database) -> None:
    hub = hat_shop(postgresql_at, policy(), blue_depot=ROUNDS)
    for name in names():
        order(hub, name)
    served_by: Counter[str] = Counter()
    for made in proposed(hub, names()).values():
        outcomes = at_once([partial(choose, hub, made.token, "variant:BLUE"), partial(goods_in, hub, "RED", 1)])
        assert set(failures(outcomes)) <= {ProposalOverError}
        keep_proposals(hub)
        all_holds(hub)
    with looking(hub) as world:
        for name in names():
            lines = world.lines(name)
            red, blue = lines[f"{name}-1"], [line for key, line in lines.items() if key.startswith("nervure")]
            assert (red, blue) in [((1, 1, 0), []), ((0, 0, 0), [(1, 1, 0)])]
            served_by["BLUE" if blue else "RED"] += 1
        assert world.claimable("BLUE", "depot") == ROUNDS - served_by["BLUE"]
        assert world.claimable("RED", "depot") == ROUNDS - served_by["RED"]


def test_an_answer_against_the_channels_own_word_ends_alike(postgresql_at: Database) -> None:
    hub = hat_shop(postgresql_at, policy(), blue_depot=ROUNDS)
    for name in names():
        order(hub, name)
    for name, made in proposed(hub, names()).items():
        canceled = an_order(name, {"RED": 1}, minute=1, state=OrderState.CANCELED)
        outcomes = at_once([partial(choose, hub, made.token, "variant:BLUE"), partial(state, hub, canceled)])
        assert set(failures(outcomes)) <= {ProposalOverError}
        keep_proposals(hub)
        with looking(hub) as world:
            assert {line[0] for line in world.lines(name).values()} == {0}
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == ROUNDS
    all_holds(hub)


@pytest.mark.requirement("R01")
def test_what_is_proposed_is_sold_to_nobody_else(postgresql_at: Database) -> None:
    hub = hat_shop(postgresql_at, policy(variant="ask", cancel="never"), blue_depot=5)
    for name in names():
        order(hub, name)

    def cart(number: int) -> object:
        return make_reservation(hub, f"cart {number}", [Wish("BLUE", 1)], expires_at=at(15), channel="shop")

    works = [partial(cart, number) for number in range(6)]
    outcomes = at_once([*works, *[partial(make_proposals, hub)] * 3])
    assert set(failures(outcomes)) <= {NotEnoughStockError}
    held = sum(1 for name in names() for one in proposals_of(hub, "shop", name) if one.state == "open")
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == 0
    assert held + 6 - failures(outcomes)[NotEnoughStockError] == 5
    advance(hub, 16 * 60)
    expire_reservations(hub)
    make_proposals(hub)
    all_holds(hub)


def test_who_looks_at_once_proposes_once(postgresql_at: Database) -> None:
    hub = hat_shop(postgresql_at, policy(variant="auto"), blue_depot=ROUNDS)
    for name in names():
        order(hub, name)
    outcomes = at_once([partial(make_proposals, hub)] * 4)
    assert failures(outcomes) == {}
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == 0
        assert all(len(world.lines(name)) == 2 for name in names())
    assert all(len(proposals_of(hub, "shop", name)) == 1 for name in names())
    all_holds(hub)
