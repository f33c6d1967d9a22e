"""Orders of a channel that others serve, one in the shadow or not live yet: no location of ours does them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import Actor, DeskRefusedError
from nervure.operations.hub import Hub
from nervure.operations.shadow import demote, promote
from nervure.store.cutover import CutoverStore
from nervure.store.database import Database
from nervure.store.picking import PickingStore
from nervure.store.reports import ReportStore
from nervure.store.tables.channels import CHANNEL
from schemas.fulfillment import RejectReason
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.operations.test_desk import all_holds, hub_on, limits, ordered, ready, state_of, steps, to_pick_up
from tests.nervure.operations.test_offers import ANA, BO, asked, has_times, offered, queue, stores_on, told


def todo(hub: Hub) -> list[int]:
    """What the locations have to do, as other programs are told."""
    with looking(hub) as world:
        return [one["number"] for one in ReportStore(world.connection, world.now).open_fulfillments()]


def gate(hub: Hub) -> None:
    with hub.database.write() as connection:
        connection.execute(CHANNEL.update().where(CHANNEL.c.name == "shop").values(is_gated=True))


def open_gate(hub: Hub) -> None:
    hub.database.run(lambda c: CutoverStore(c, hub.clock.now()).open_gate("shop"))


def away(hub: Hub) -> None:
    assert demote(hub, "shop")


def back(hub: Hub) -> None:
    assert promote(hub, "shop", anyway=True)


@pytest.mark.parametrize(("shut", "let_out"), [(away, back), (gate, open_gate)])
def test_what_others_serve_is_offered_to_nobody_and_done_by_nobody_until_it_is_ours(
    both: Database, shut: Callable[[Hub], object], let_out: Callable[[Hub], object]
) -> None:
    hub = stores_on(both)
    shut(hub)
    number = ordered(hub, "1", {"BOLT": 2})
    assert not has_times(hub)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    assert (todo(hub), [queue(hub, place) for place in ("paris", "lyon")]) == ([], [[], []])
    for step in (offers.accept, desk.start_picking, desk.pack):
        with pytest.raises(DeskRefusedError, match="is of a channel that others serve now") as refused:
            step(hub, number, BO)
        assert refused.value.kind == "not_served"
    assert (state_of(hub, number), told(hub, number)) == ("allocated", [])
    let_out(hub)
    assert giving_up.keep_times(hub) == (1, 0, 0)
    assert (todo(hub), queue(hub, "paris")) == ([number], [(number, False, 2)])
    assert offers.accept(hub, number, BO) == (True, number)


def test_what_was_offered_before_is_taken_back_and_offered_anew_with_all_its_time(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    giving_up.reject(hub, number, RejectReason.NO_TIME, Actor("Clo", "nice"))
    demote(hub, "shop")
    with pytest.raises(DeskRefusedError, match="is of a channel that others serve now"):
        offers.accept(hub, number, ANA)
    advance(hub, 3_600)
    assert has_times(hub)
    assert giving_up.keep_times(hub) == (0, 0, 0), "its time is over, and nothing is served from elsewhere"
    assert not has_times(hub)
    assert asked(hub, number) == [("lyon", "withdrawn"), ("nice", "declined")]
    assert [queue(hub, place) for place in ("paris", "lyon", "nice", "lille")] == [[], [], [], []]
    with pytest.raises(DeskRefusedError, match="others serve now"):
        offers.accept(hub, number, ANA)
    back(hub)
    assert giving_up.keep_times(hub) == (1, 0, 0)
    assert dict(asked(hub, number)) == {"lyon": "open", "lille": "open", "nice": "declined"}
    with looking(hub) as world:
        found = PickingStore(world.connection, world.now)
        until = {location: by for location, state, by in found.offers(number) if state == "open"}
        job = found.job(number)
    assert job is not None
    assert {*until.values(), job.accept_by} == {hub.clock.now() + timedelta(seconds=600)}
    assert [(where, what) for where, what, _, _ in told(hub, number)] == [
        ("", "offered"),
        ("lyon", "offered"),
        ("nice", "offered"),
        ("nice", "rejected"),
        ("", "withdrawn"),
        ("lyon", "withdrawn"),
        ("", "offered"),
        ("lyon", "offered"),
        ("lille", "offered"),
    ]
    assert offers.accept(hub, number, ANA)[0]
    all_holds(hub)


def test_nobody_is_reminded_of_what_others_serve(both: Database) -> None:
    hub = hub_on(both)
    limits(hub, "paris", accept_seconds=600)
    number = ordered(hub, "1", {"BOLT": 5})
    giving_up.keep_times(hub)
    advance(hub, 600)
    giving_up.keep_times(hub)
    with looking(hub) as world:
        assert world.open_tasks() == {"not_accepted": 1}
    demote(hub, "shop")
    giving_up.keep_times(hub)
    with looking(hub) as world:
        assert world.open_tasks() == {}
    assert [kind for kind, _, _ in steps(hub, number)] == ["offered", "waits", "withdrawn"]


def test_what_was_begun_waits_and_what_a_customer_was_told_of_is_handed_over(both: Database) -> None:
    hub = hub_on(both)
    waiting, begun = to_pick_up(hub, "1", {"BOLT": 1}), to_pick_up(hub, "2", {"BOLT": 1})
    ready(hub, waiting)
    desk.start_picking(hub, begun, ANA)
    demote(hub, "till")
    assert (queue(hub, "lyon"), todo(hub)) == ([(waiting, False, 0)], [waiting])
    with pytest.raises(DeskRefusedError, match="others serve now"):
        desk.pack(hub, begun, ANA, unscanned=True)
    assert desk.hand_over(hub, waiting, "123456", ANA) == (True, waiting)
    assert promote(hub, "till", anyway=True)
    assert queue(hub, "lyon") == [(begun, False, 0)]
    assert desk.pack(hub, begun, ANA, unscanned=True)
    all_holds(hub)
