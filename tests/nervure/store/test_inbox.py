from datetime import timedelta

import pytest

from nervure.store.database import Database
from nervure.store.inbox import LEASE_SECONDS, InboxStore
from nervure.store.statements import CLAIM
from schemas.documents import Heard, RawDocument
from tests.nervure.world import START, World, an_order, at, at_once, merchant, must_hold, overtaken


def document(event: str, *, about: str = "1", body: bytes = b"{}") -> RawDocument:
    return RawDocument("orders", about, event, body, Heard.WEBHOOK, START)


def inbox(world: World, minute: float = 0) -> InboxStore:
    return InboxStore(world.connection, at(minute))


def events(taken: list[object]) -> list[str]:
    return [one.document.event_id for one in taken]  # type: ignore[attr-defined]  # leased documents


@pytest.mark.requirement("R22")
def test_an_event_is_stored_once_for_each_channel(world: World) -> None:
    store = inbox(world)
    assert store.put("shop", [document("a", body=b"first")]) == 1
    assert store.put("shop", [document("a", body=b"second"), document("b")]) == 1
    assert store.put("market", [document("a")]) == 1
    assert store.put("shop", []) == 0
    assert store.open_count() == 3
    assert store.open_count("shop") == 2
    assert [(one.channel, one.document.body) for one in store.lease(9)] == [
        ("shop", b"first"),
        ("shop", b"{}"),
        ("market", b"{}"),
    ]


@pytest.mark.requirement("R22")
def test_an_event_named_twice_in_one_batch_keeps_its_first_place_and_body(world: World) -> None:
    store = inbox(world)
    assert store.put("shop", [document("a", body=b"1"), document("b", body=b"2"), document("a", body=b"3")]) == 2
    assert [(one.document.event_id, one.document.body) for one in store.lease(9)] == [("a", b"1"), ("b", b"2")]


def test_a_document_comes_out_as_it_went_in(world: World) -> None:
    sent = RawDocument("orders/updated", "gid://1", "x-1", b"\x00\xff raw", Heard.POLL, at(-9))
    inbox(world).put("shop", [sent])
    [leased] = inbox(world, 1).lease(1)
    assert (leased.channel, leased.document, leased.received_at) == ("shop", sent, START)


def test_the_oldest_documents_are_taken_first_and_only_once(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document(name, about=name) for name in "abc"])
    assert events(list(store.lease(2))) == ["a", "b"]
    assert events(list(store.lease(2))) == ["c"]
    assert store.lease(2) == []


def test_documents_about_one_thing_are_taken_in_their_order(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document("a"), document("b"), document("c")])
    [first] = store.lease(1)
    assert store.lease(9) == [], "the others wait for the first"
    store.done([first.id])
    assert events(list(store.lease(9))) == ["b", "c"]


def test_a_document_waits_only_for_its_own_thing_on_its_own_channel(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document("a"), document("b"), document("c", about="2")])
    store.put("market", [document("d")])
    store.lease(1)
    assert events(list(store.lease(9))) == ["c", "d"]


@pytest.mark.requirement("R27")
def test_an_expired_lease_is_free_again(world: World) -> None:
    inbox(world).put("shop", [document("a"), document("b")])
    inbox(world).lease(1)
    seconds = LEASE_SECONDS / 60
    assert inbox(world, seconds).lease(9) == []
    late = InboxStore(world.connection, START + timedelta(seconds=LEASE_SECONDS, microseconds=1))
    assert events(list(late.lease(9))) == ["a", "b"]


def test_what_is_handled_is_not_taken_again(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document("a")])
    store.done([one.id for one in store.lease(1)])
    assert store.open_count() == 0
    assert inbox(world, 60).lease(9) == []
    assert store.put("shop", [document("a")]) == 0, "and not stored again either"


@pytest.mark.requirement("R39")
def test_what_cannot_be_understood_is_kept_with_its_reason_until_it_is_replayed(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document("a"), document("b", about="2"), document("c", about="3")])
    first, second, third = store.lease(9)
    store.bury(first.id, "listing 'x' of channel 'shop' is not bound to an item")
    store.bury(second.id, "100% wrong")
    store.done([third.id])
    assert [(one.id, one.reason) for one in store.dead()] == [
        (second.id, "100% wrong"),
        (first.id, "listing 'x' of channel 'shop' is not bound to an item"),
    ]
    assert store.replay(reason_like="of channel 'shop' is not bound") == 1
    assert events(list(store.lease(9))) == ["a"]
    assert store.replay(reason_like="100_ wrong") == 0
    assert store.replay([second.id, third.id]) == 1
    assert events(list(store.lease(9))) == ["b"]


def test_somebody_is_told_of_a_dead_letter_once_for_each_time_it_dies(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document("a")])
    for _ in range(2):
        [leased] = store.lease(1)
        store.bury(leased.id, "wrong")
        assert [one.id for one in store.take_untold()] == [leased.id]
        assert store.take_untold() == []
        store.replay()


def test_bodies_are_forgotten_in_time_but_for_what_still_waits(world: World) -> None:
    store = inbox(world)
    store.put("shop", [document("done"), document("dead", about="2"), document("open", about="3")], body_days=1)
    done, dead = store.lease(2)
    store.done([done.id])
    store.bury(dead.id, "wrong")
    assert inbox(world, 24 * 60).forget_bodies() == 0
    assert inbox(world, 24 * 60 + 1).forget_bodies() == 1
    store.replay()
    assert [one.document.body for one in inbox(world, 24 * 60 + 1).lease(9)] == [b"{}", b"{}"]


@pytest.mark.postgresql
@pytest.mark.requirement("R22")
@pytest.mark.parametrize("copies", [1, 2, 20])
def test_copies_of_one_webhook_in_one_instant_are_stored_once(postgresql_at: Database, copies: int) -> None:
    def hear() -> int:
        return postgresql_at.run(lambda connection: inbox(World(connection)).put("shop", [document("a")]))

    stored = at_once([hear] * copies)
    assert sorted(stored, key=str) == [0] * (copies - 1) + [1]
    with postgresql_at.read() as connection:
        assert inbox(World(connection)).open_count() == 1


@pytest.mark.postgresql
@pytest.mark.requirement("R22")
def test_one_document_drained_by_two_dispatchers_at_once_has_one_effect(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=9)
        inbox(world).put("shop", [document(str(number), about=str(number)) for number in range(6)])

    def drain() -> int:
        handled = 0
        while True:
            taken = postgresql_at.run(lambda connection: inbox(World(connection)).lease(1))
            if not taken:
                return handled

            def handle(connection: object, number: str = taken[0].document.document_id, row: int = taken[0].id) -> None:
                world = World(connection)  # type: ignore[arg-type]  # a connection
                world.take_in(an_order(number, {"BOLT": 1}))
                inbox(world).done([row])

            postgresql_at.run(handle)
            handled += 1

    counts = at_once([drain, drain])
    assert sum(count for count in counts if isinstance(count, int)) == 6
    with postgresql_at.read() as connection:
        world = World(connection)
        assert (world.rows(CLAIM), world.claimable("BOLT", "paris")) == (6, 3)
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R22", "R27")
def test_a_document_handled_twice_because_a_lease_expired_has_one_effect(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        merchant(World(connection), bolt_paris=9)
    order = an_order("1", {"BOLT": 2})
    overtaken(postgresql_at, slow=lambda world: world.take_in(order), fast=lambda world: world.take_in(order))
    with postgresql_at.read() as connection:
        world = World(connection)
        assert (world.claims(), world.lines("1")) == ({"held": 2}, {"1-1": (2, 2, 0)})
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R23")
def test_a_document_does_not_overtake_one_that_another_dispatcher_is_just_taking(postgresql: Database) -> None:
    with postgresql.write() as connection:
        inbox(World(connection)).put("shop", [document("a"), document("b"), document("c", about="2")])
    with postgresql.write() as one, postgresql.write() as other:
        assert events(list(inbox(World(one)).lease(1))) == ["a"]
        assert events(list(inbox(World(other)).lease(9))) == ["c"]
