from dataclasses import replace

import sqlalchemy as sa

from nervure.publication.answers import Landing
from nervure.store.flights import Flight
from nervure.store.history import ANSWER, HISTORY_DAYS, HistoryStore
from schemas.publications import PublicationState
from tests.nervure.world import World, at, merchant


def sent(world: World) -> list[Flight]:
    merchant(world, bolt_paris=5)
    world.refresh()
    return world.later(1).flights.launch("shop", 100, "one")


def kept(world: World) -> list[tuple[int, str, int | None]]:
    """Answers as (units, state, what the channel showed)."""
    query = sa.select(ANSWER).order_by(ANSWER.c.id)
    return [(row.units, row.state, row.channel_units) for row in world.connection.execute(query)]


def test_what_was_sent_and_answered_is_kept(world: World) -> None:
    numbers = sent(world)
    bolt = next(number for number in numbers if number.sku == "BOLT")
    answers = [
        (number, Landing(PublicationState.CONFIRMED))
        if number == bolt
        else (number, Landing(PublicationState.PENDING, channel_units=3))
        for number in numbers
    ]
    world.later(2).flights.land(answers, "one")
    assert sorted(kept(world)) == [(0, "pending", 3), (0, "pending", 3), (5, "confirmed", 5)]
    store = HistoryStore(world.connection, at(9))
    assert store.newest([bolt.publication_id], at(1)) == {}
    found = store.newest([bolt.publication_id], at(2))[bolt.publication_id]
    assert (found.units, found.revision, found.sent_at, found.answered_at) == (5, bolt.revision, at(1), at(2))


def test_an_answer_that_comes_too_late_is_none(world: World) -> None:
    bolt = sent(world)[0]
    late = world.later(2).flights
    late.land([(bolt, Landing(PublicationState.CONFIRMED))], "another")
    late.land([(replace(bolt, revision=bolt.revision + 1), Landing(PublicationState.CONFIRMED))], "one")
    assert kept(world) == []
    for _ in range(2):
        late.land([(bolt, Landing(PublicationState.CONFIRMED))], "one")
    assert len(kept(world)) == 1


def test_asking_again_without_news_leaves_no_row(world: World) -> None:
    bolt = sent(world)[0]
    waiting = world.later(2).flights
    for _ in range(3):
        waiting.land([(bolt, Landing(PublicationState.SENT, receipt="import 1", next_at=at(3)))], "one")
    assert [state for _, state, _ in kept(world)] == ["sent"]
    for _ in range(3):
        waiting.land([(bolt, Landing(PublicationState.UNKNOWN, next_at=at(3)))], "one")
    assert [state for _, state, _ in kept(world)] == ["sent", "unknown"]
    waiting.land([(bolt, Landing(PublicationState.FAILED, reason="no such listing"))], "one")
    assert [state for _, state, _ in kept(world)] == ["sent", "unknown", "failed"]


def test_answers_are_forgotten_when_their_time_is_over_a_part_at_a_time(world: World) -> None:
    world.later(2).flights.land([(one, Landing(PublicationState.CONFIRMED)) for one in sent(world)], "one")
    over = at(2 + HISTORY_DAYS * 24 * 60)
    assert HistoryStore(world.connection, at(1 + HISTORY_DAYS * 24 * 60)).forget() == 0
    store = HistoryStore(world.connection, over)
    assert [store.forget(limit=2), store.forget(limit=2), store.forget(limit=2)] == [2, 1, 0]
    assert kept(world) == []
