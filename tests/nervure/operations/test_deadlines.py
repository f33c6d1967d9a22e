"""Proposals that nobody answered in time, or that nobody needs any more."""

import pytest

from nervure.operations.choosing import ProposalOverError, choose
from nervure.operations.deadlines import keep_proposals
from nervure.operations.reservations import expire_reservations
from nervure.operations.shortfalls import proposals_of
from nervure.store.database import Database
from schemas.orders import OrderState
from schemas.substitution import AtDeadline
from tests.nervure.operations.caps import all_holds, hat_shop, order, policy, proposed, state, told
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.world import an_order


@pytest.mark.parametrize("at_deadline", [AtDeadline.FIRST, AtDeadline.CANCEL])
def test_the_deadline_decides_where_the_settings_say_so(database: Database, at_deadline: AtDeadline) -> None:
    hub = hat_shop(database, policy(at_deadline), blue_depot=1)
    order(hub, "1")
    made = proposed(hub)
    advance(hub, 24 * 3600)
    assert expire_reservations(hub) == 0  # what is proposed outlives its deadline by some minutes
    assert keep_proposals(hub) == (1, 0)
    [ended] = proposals_of(hub, "shop", "1")
    chosen = "variant:BLUE" if at_deadline is AtDeadline.FIRST else "cancel"
    assert (ended.id, ended.state, ended.chosen, ended.ended_by) == (made.id, "chosen", chosen, "the deadline")
    assert "tell_customer" in told(hub)
    all_holds(hub)


def test_a_deadline_after_which_nothing_is_held_leaves_it_to_a_person(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(AtDeadline.FIRST), blue_depot=1)
    order(hub, "1")
    proposed(hub)
    advance(hub, 25 * 3600)
    assert expire_reservations(hub) == 1
    assert keep_proposals(hub) == (1, 0)
    assert proposals_of(hub, "shop", "1")[0].state == "expired"
    all_holds(hub)


def test_an_order_that_is_canceled_needs_no_answer(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=2)
    order(hub, "1", 2)
    made = proposed(hub)
    state(hub, an_order("1", {"RED": 2}, minute=1, state=OrderState.CANCELED))
    with pytest.raises(ProposalOverError, match="nothing to choose any more"):
        choose(hub, made.token, "variant:BLUE")
    assert keep_proposals(hub) == (0, 1)
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == 2
    all_holds(hub)
