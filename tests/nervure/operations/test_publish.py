"""Telling channels what they may still sell: what is sent, what is known to have arrived, and what is never sent."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.errors import CredentialsError, NoAnswerError, ThrottledError, UnavailableError
from nervure.operations import publish as publishing
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import store
from nervure.operations.staff import receive
from nervure.store.channels import ChannelState, ChannelStore
from nervure.store.database import Database
from nervure.store.flights import FLIGHT_SECONDS
from schemas.capabilities import Confirmation, WriteMode
from schemas.documents import RawDocument
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome
from schemas.stock import StockObservation
from tests.nervure.operations.scripted import (
    Answer,
    ScriptedShop,
    advance,
    document,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
    tasks,
)
from tests.nervure.world import START, a_till_sale, an_order, at, capable

BOLT, NUT, PAIR = (LevelKey(f"S-{sku}", "web") for sku in ("BOLT", "NUT", "PAIR"))
COUNTER_BOLT = LevelKey("S-BOLT", "counter")


def opened(database: Database, shop: ScriptedShop, **capabilities: object) -> Hub:
    """The shop's numbers are computed and confirmed."""
    hub = scripted_hub(database, {"shop": shop}, capabilities={"shop": capable(**capabilities)})
    settle(hub)
    publish(hub, "shop")
    return hub


def states(hub: Hub, channel: str = "shop") -> dict[str, str]:
    with looking(hub) as world:
        return {number.sku: number.state.value for number in world.publications.numbers(channel)}


def row(hub: Hub, sku: str = "BOLT", channel: str = "shop", point: str = "web") -> sa.RowMapping:
    with looking(hub) as world:
        return world.publication(world.publication_id(channel, sku, point))


def channel_state(hub: Hub, channel: str = "shop") -> ChannelState:
    with looking(hub) as world:
        return ChannelStore(world.connection, world.now).get(channel)


def sent(shop: ScriptedShop) -> list[dict[str, int]]:
    """Every write by sku."""
    return [{write.sku: write.units for write in call} for call in shop.writes]


def raising(error: Exception, shop: ScriptedShop | None = None) -> Answer:
    """A call that fails, after it has had its effect where a shop is given."""

    def answer(writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        if shop is not None:
            shop.apply(writes)
        raise error

    return answer


@pytest.mark.requirement("R09", "R37")
def test_each_channel_shows_what_its_own_places_have(both: Database) -> None:
    shops = {name: ScriptedShop() for name in ("shop", "market", "till")}
    hub = scripted_hub(both, shops)
    settle(hub)
    assert [dict(publish(hub, name).outcomes) for name in shops] == [{"confirmed": 3}] * 3
    assert [shop.units() for shop in shops.values()] == [
        {"BOLT": 7, "NUT": 8, "PAIR": 4},
        {"BOLT": 7, "NUT": 8, "PAIR": 4},
        {"BOLT": 2, "NUT": 0, "PAIR": 0},
    ]
    assert states(hub) == {"BOLT": "confirmed", "NUT": "confirmed", "PAIR": "confirmed"}


@pytest.mark.requirement("R29")
def test_only_what_changed_is_sent(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    assert publish(hub, "shop").total == 0
    receive(hub, "NUT", "lyon", 1, document="1")
    refresh(hub)
    publish(hub, "shop")
    assert sent(shop) == [{"PAIR": 4, "BOLT": 7, "NUT": 8}, {"NUT": 9}]


def test_nothing_is_read_or_written_while_nothing_is_pending(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    before = shop.asked
    for _ in range(3):
        publish(hub, "shop")
    assert shop.asked == before


@pytest.mark.requirement("R37")
def test_a_part_that_is_sold_is_published_with_its_kit_on_every_channel(both: Database) -> None:
    shops = {name: ScriptedShop() for name in ("shop", "market", "till")}
    hub = scripted_hub(both, shops)
    settle(hub)
    for name in shops:
        publish(hub, name)
    hear(hub, "shop", order_of(an_order("1", {"NUT": 5})))
    for name in shops:
        publish(hub, name)
    assert [sent(shop)[1:] for shop in shops.values()] == [
        [{"PAIR": 1, "NUT": 3}],
        [{"PAIR": 1, "NUT": 3}],
        [],
    ]


@pytest.mark.requirement("R35", "R36")
def test_a_stale_number_is_written_only_after_the_orders_behind_it_are_heard(both: Database) -> None:
    shop = ScriptedShop(is_compare_and_set=True, shown={BOLT: 0, NUT: 0, PAIR: 0})
    hub = opened(both, shop, write_mode=WriteMode.COMPARE_AND_SET)
    shop.shown[BOLT] = 6  # somebody bought one, and the hub has not heard it
    receive(hub, "BOLT", "paris", 3, document="1")
    refresh(hub)
    advance(hub, 10)
    assert publish(hub, "shop").outcomes == {"stale": 1}
    assert (row(hub)["state"], row(hub)["channel_units"]) == ("pending", 6)
    assert channel_state(hub).orders_next_at == at(0) + timedelta(seconds=10)
    writes = len(shop.writes)
    publish(hub, "shop")
    assert len(shop.writes) == writes, "nothing is written over a number that is not understood"
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1})))
    publish(hub, "shop")
    assert shop.writes[-1] == [LevelWrite(BOLT, 9, 6, "BOLT")]
    assert shop.units() == {"BOLT": 9, "NUT": 8, "PAIR": 4}


@pytest.mark.requirement("R36")
def test_a_stale_number_that_no_order_explains_is_written_once_orders_were_pulled(filled: Database) -> None:
    shop = ScriptedShop(is_compare_and_set=True, shown={BOLT: 0, NUT: 0, PAIR: 0})
    hub = opened(filled, shop, write_mode=WriteMode.COMPARE_AND_SET)
    shop.shown[NUT] = 40
    receive(hub, "NUT", "paris", 1, document="1")
    refresh(hub)
    publish(hub, "shop")
    advance(hub, 1)
    with filled.write() as connection:
        ChannelStore(connection, hub.clock.now()).heard_orders(
            "shop", watermark=None, until=hub.clock.now(), next_at=at(9)
        )
    publish(hub, "shop")
    assert shop.writes[-1] == [LevelWrite(NUT, 9, 40, "NUT")]
    assert shop.shown[NUT] == 9


@pytest.mark.requirement("R31", "R36")
@pytest.mark.parametrize("has_effect", [True, False], ids=["after the effect", "before the effect"])
def test_a_write_without_an_answer_is_read_back_before_anything_is_sent_again(both: Database, has_effect: bool) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(raising(NoAnswerError("no answer"), shop if has_effect else None))
    assert publish(hub, "shop").outcomes == {"failed": 1}
    assert states(hub)["BOLT"] == "unknown"
    writes = len(shop.writes)
    publish(hub, "shop")
    assert (len(shop.writes), shop.reads) == (writes, []), "not asked before its time"
    advance(hub, 5)
    assert publish(hub, "shop").outcomes == {"read back": 1}
    assert shop.reads == [[BOLT]]
    if has_effect:
        assert (states(hub)["BOLT"], len(shop.writes)) == ("confirmed", writes)
    else:
        assert (row(hub)["state"], row(hub)["channel_units"]) == ("pending", 7)
        assert len(shop.writes) == writes, "orders are heard first"
        with both.write() as connection:
            ChannelStore(connection, at(1)).heard_orders("shop", watermark=None, until=at(1), next_at=at(9))
        publish(hub, "shop")
        assert sent(shop)[-1] == {"BOLT": 8}
    assert shop.shown[BOLT] == 8


@pytest.mark.requirement("R36")
def test_an_answer_of_unknown_is_read_back_after_two_seconds(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)

    def unknown(writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        shop.apply(writes)
        return [LevelAnswer(write.key, WriteOutcome.UNKNOWN, "gateway time-out") for write in writes]

    shop.script.append(unknown)
    publish(hub, "shop")
    advance(hub, 1.9)
    publish(hub, "shop")
    assert states(hub)["BOLT"] == "unknown"
    advance(hub, 0.1)
    publish(hub, "shop")
    assert (states(hub)["BOLT"], len(shop.writes), shop.reads) == ("confirmed", 2, [[BOLT]])


@pytest.mark.requirement("R36")
def test_while_reading_back_fails_nothing_is_sent_blind(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(raising(NoAnswerError("no answer")))
    publish(hub, "shop")
    shop.error = UnavailableError("down")
    advance(hub, 5)
    with pytest.raises(UnavailableError):
        publish(hub, "shop")
    assert (states(hub)["BOLT"], len(shop.writes)) == ("unknown", 2)
    shop.error = None
    shop.shown[BOLT] = 8
    advance(hub, 5)
    publish(hub, "shop")
    assert (states(hub)["BOLT"], len(shop.writes)) == ("confirmed", 2)


@pytest.mark.requirement("R33", "R36")
def test_a_number_that_cannot_be_read_back_because_it_is_gone_is_an_error_with_its_reason(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(raising(NoAnswerError("no answer")))
    publish(hub, "shop")
    del shop.shown[BOLT]
    advance(hub, 5)
    publish(hub, "shop")
    assert (row(hub)["state"], row(hub)["reason"]) == (
        "failed",
        "the channel does not know this listing at this stock point",
    )


@pytest.mark.requirement("R28", "R33")
def test_a_refused_row_fails_alone_with_its_reason(filled: Database) -> None:
    shop = ScriptedShop(refused={"S-NUT": "not tracked"})
    hub = opened(filled, shop)
    assert states(hub) == {"BOLT": "confirmed", "NUT": "failed", "PAIR": "confirmed"}
    assert row(hub, "NUT")["reason"] == "not tracked"
    publish(hub, "shop")
    assert len(shop.writes) == 1, "it is not sent again as it is"
    shop.refused.clear()
    receive(hub, "NUT", "paris", 1, document="1")
    refresh(hub)
    publish(hub, "shop")
    assert (states(hub)["NUT"], row(hub, "NUT")["reason"], shop.shown[NUT]) == ("confirmed", None, 9)


def test_a_row_that_was_not_applied_because_of_another_is_sent_again(filled: Database) -> None:
    shop = ScriptedShop()
    shop.script.append(lambda writes: [LevelAnswer(write.key, WriteOutcome.NOT_APPLIED) for write in writes])
    hub = opened(filled, shop)
    assert states(hub) == dict.fromkeys(("BOLT", "NUT", "PAIR"), "pending")
    publish(hub, "shop")
    assert shop.units() == {"BOLT": 7, "NUT": 8, "PAIR": 4}


@pytest.mark.requirement("R26")
def test_after_ten_minutes_of_429_the_newest_numbers_arrive_and_none_is_lost(both: Database) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop)
    shop.error = ThrottledError("slow down", retry_after_seconds=60)
    for minute in range(10):
        receive(hub, "BOLT", "paris", 1, document=f"{minute}")
        refresh(hub)
        publish(hub, "shop")
        assert channel_state(hub).write_next_at == hub.clock.now() + timedelta(seconds=60)
        asked = shop.asked
        advance(hub, 59)
        publish(hub, "shop")
        assert shop.asked == asked, "the pause that the platform asked for is kept"
        advance(hub, 1)
    assert states(hub) == {"BOLT": "pending", "NUT": "confirmed", "PAIR": "confirmed"}
    shop.error = None
    publish(hub, "shop")
    assert (sent(shop), shop.shown[BOLT]) == ([{"PAIR": 4, "BOLT": 7, "NUT": 8}, {"BOLT": 17}], 17)
    assert states(hub)["BOLT"] == "confirmed"


def test_an_account_that_needs_a_person_says_so_and_keeps_its_numbers(filled: Database) -> None:
    shop = ScriptedShop(error=CredentialsError("sign-in refused"))
    hub = scripted_hub(filled, {"shop": shop})
    settle(hub)
    with pytest.raises(CredentialsError):
        publish(hub, "shop")
    assert states(hub) == dict.fromkeys(("BOLT", "NUT", "PAIR"), "pending")
    assert channel_state(hub).problem == "sign-in refused"
    shop.error = None
    publish(hub, "shop")
    assert shop.shown == {}, "not before its time"
    advance(hub, 5)
    publish(hub, "shop")
    assert shop.units() == {"BOLT": 7, "NUT": 8, "PAIR": 4}


def test_sign_in_lost_while_reading_back_is_a_problem_for_a_person_too(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(raising(NoAnswerError("no answer")))
    publish(hub, "shop")
    shop.error = CredentialsError("sign-in refused")
    advance(hub, 5)
    with pytest.raises(CredentialsError):
        publish(hub, "shop")
    assert channel_state(hub).problem == "sign-in refused"


@pytest.mark.requirement("R31")
@pytest.mark.parametrize(
    ("outcome", "state"), [(WriteOutcome.CONFIRMED, "confirmed"), (WriteOutcome.REFUSED, "failed")], ids=["yes", "no"]
)
def test_an_import_confirms_or_refuses_each_row_by_its_report(
    both: Database, outcome: WriteOutcome, state: str
) -> None:
    shop = ScriptedShop(imports={"import 1": {}})
    shop.script.append(lambda writes: [LevelAnswer(w.key, WriteOutcome.SENT, receipt="import 1") for w in writes])
    hub = opened(both, shop, confirmation=Confirmation.IMPORT_REPORT)
    assert states(hub) == dict.fromkeys(("BOLT", "NUT", "PAIR"), "sent")
    advance(hub, 5)
    assert publish(hub, "shop").total == 0, "the import still runs"
    shop.imports["import 1"] = {
        BOLT: LevelAnswer(BOLT, outcome, None if state == "confirmed" else "unknown offer"),
        NUT: LevelAnswer(NUT, WriteOutcome.CONFIRMED),
        PAIR: LevelAnswer(PAIR, WriteOutcome.CONFIRMED),
    }
    publish(hub, "shop")
    assert states(hub)["BOLT"] == "sent", "it is asked every 5 s only"
    advance(hub, 5)
    assert publish(hub, "shop").total == 3
    assert states(hub) == {"BOLT": state, "NUT": "confirmed", "PAIR": "confirmed"}
    assert row(hub)["reason"] == (None if state == "confirmed" else "unknown offer")
    assert len(shop.writes) == 1


@pytest.mark.requirement("R31", "R36")
def test_an_import_whose_report_cannot_be_had_is_asked_for_again(filled: Database) -> None:
    shop = ScriptedShop(imports={"import 1": {}})
    shop.script.append(lambda writes: [LevelAnswer(w.key, WriteOutcome.SENT, receipt="import 1") for w in writes])
    hub = opened(filled, shop, confirmation=Confirmation.IMPORT_REPORT)
    shop.error = UnavailableError("down")
    advance(hub, 5)
    with pytest.raises(UnavailableError):
        publish(hub, "shop")
    assert (row(hub)["state"], row(hub)["receipt"]) == ("sent", "import 1")
    shop.error = None
    shop.imports["import 1"] = {key: LevelAnswer(key, WriteOutcome.CONFIRMED) for key in (BOLT, NUT, PAIR)}
    advance(hub, 5)
    publish(hub, "shop")
    assert (states(hub)["BOLT"], len(shop.writes)) == ("confirmed", 1)


@pytest.mark.requirement("R36")
def test_a_write_that_may_still_take_effect_is_not_overtaken_by_another(both: Database) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop, late_effect_seconds=600)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(raising(NoAnswerError("no answer")))
    publish(hub, "shop")
    receive(hub, "BOLT", "paris", 1, document="2")
    refresh(hub)
    for second in range(5, 600, 5):
        advance(hub, 5)
        with both.write() as connection:
            now = START + timedelta(seconds=second)
            ChannelStore(connection, now).heard_orders("shop", watermark=None, until=now, next_at=at(99))
        publish(hub, "shop")
    assert (states(hub)["BOLT"], sent(shop)[1:]) == ("unknown", [{"BOLT": 8}])
    assert len(shop.reads) == 13, "more and more seldom"
    shop.shown[BOLT] = 8  # the import ran at last
    advance(hub, 5)
    publish(hub, "shop")
    assert sent(shop)[1:] == [{"BOLT": 8}, {"BOLT": 9}]
    assert states(hub)["BOLT"] == "confirmed"


@pytest.mark.requirement("R36")
def test_a_write_that_never_took_effect_is_sent_again_when_its_time_is_over(both: Database) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop, late_effect_seconds=600)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(raising(NoAnswerError("no answer")))
    publish(hub, "shop")
    advance(hub, 599)
    publish(hub, "shop")
    assert states(hub)["BOLT"] == "unknown"
    advance(hub, 1)
    publish(hub, "shop")
    assert (states(hub)["BOLT"], len(shop.writes)) == ("pending", 2), "orders are heard first"
    with both.write() as connection:
        ChannelStore(connection, at(11)).heard_orders("shop", watermark=None, until=at(11), next_at=at(99))
    publish(hub, "shop")
    assert (states(hub)["BOLT"], sent(shop)[1:], shop.shown[BOLT]) == ("confirmed", [{"BOLT": 8}] * 2, 8)


@pytest.mark.requirement("R31", "R36")
@pytest.mark.parametrize("shown", [7, 8], ids=["was not written", "was written"])
def test_a_row_that_an_ended_import_does_not_account_for_is_read_back_at_once(filled: Database, shown: int) -> None:
    shop = ScriptedShop(imports={"import 1": {}})
    hub = opened(filled, shop, confirmation=Confirmation.IMPORT_REPORT, late_effect_seconds=600)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(lambda writes: [LevelAnswer(w.key, WriteOutcome.SENT, receipt="import 1") for w in writes])
    publish(hub, "shop")
    shop.shown[BOLT] = shown
    shop.imports["import 1"] = {BOLT: LevelAnswer(BOLT, WriteOutcome.UNACCOUNTED, "not in the report")}
    advance(hub, 5)
    publish(hub, "shop")
    assert (shop.reads, states(hub)["BOLT"]) == ([[BOLT]], "confirmed" if shown == 8 else "pending")
    assert row(hub)["receipt"] is None


@pytest.mark.requirement("R27", "R36")
@pytest.mark.parametrize("has_effect", [True, False], ids=["after the effect", "before the effect"])
def test_a_crash_between_sending_and_recording_is_settled_by_reading_back(
    both: Database, monkeypatch: pytest.MonkeyPatch, has_effect: bool
) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    if not has_effect:
        shop.script.append(lambda writes: [LevelAnswer(write.key, WriteOutcome.CONFIRMED) for write in writes])
    with monkeypatch.context() as dying:
        dying.setattr(publishing, "land", lambda *_: None)
        publish(hub, "shop")
    assert states(hub)["BOLT"] == "sent"
    advance(hub, FLIGHT_SECONDS - 1)
    assert publish(hub, "shop").total == 0, "its sender may still be alive"
    advance(hub, 1)
    publish(hub, "shop")
    assert shop.reads == [[BOLT]]
    if not has_effect:
        assert states(hub)["BOLT"] == "pending"
        with both.write() as connection:
            ChannelStore(connection, at(9)).heard_orders("shop", watermark=None, until=at(9), next_at=at(19))
        publish(hub, "shop")
    assert (states(hub)["BOLT"], shop.shown[BOLT]) == ("confirmed", 8)


@pytest.mark.requirement("R26", "R36")
def test_of_what_is_computed_while_a_number_flies_the_newest_wins(both: Database) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)

    def meanwhile(writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        for number in (2, 3):
            receive(hub, "BOLT", "paris", 1, document=f"{number}")
            refresh(hub)
            assert publish(hub, "shop").total == 0, "one number is in flight once"
        return shop.apply(writes)

    shop.script.append(meanwhile)
    publish(hub, "shop")
    assert states(hub)["BOLT"] == "pending"
    publish(hub, "shop")
    assert sent(shop)[1:] == [{"BOLT": 8}, {"BOLT": 10}]
    assert (states(hub)["BOLT"], row(hub)["confirmed_revision"]) == ("confirmed", row(hub)["revision"])


def test_a_paused_channel_is_sent_nothing(filled: Database) -> None:
    shop, market = ScriptedShop(), ScriptedShop()
    hub = scripted_hub(filled, {"shop": shop, "market": market})
    settle(hub)
    with filled.write() as connection:
        ChannelStore(connection, START).set_paused("shop", is_paused=True)
    publish(hub, "shop")
    publish(hub, "market")
    assert (shop.asked, len(market.shown)) == (0, 3)
    with filled.write() as connection:
        ChannelStore(connection, START).set_paused("shop", is_paused=False)
    publish(hub, "shop")
    assert len(shop.shown) == 3


# -- hearing what a channel shows ----------------------------------------------------------------------------------


def shows(
    sku: str, units: int, minute: float, *, channel: str = "shop", point: str = "web", counted: bool = False
) -> RawDocument:
    fact = StockObservation(
        channel=channel,
        listing_external_id=f"L-{sku}",
        stock_point=point,
        units=units,
        observed_at=at(minute),
        is_physical_count=counted,
    )
    return document(f"{channel} {sku} {units} {minute}", fact)


@pytest.mark.requirement("R21")
def test_hearing_our_own_numbers_again_and_again_changes_nothing(filled: Database) -> None:
    shop = ScriptedShop()
    hub = opened(filled, shop)
    before = dict(row(hub))
    for minute in range(1, 12):
        advance(hub, 60)
        hear(hub, "shop", *(shows(sku, units, minute) for sku, units in shop.units().items()))
        publish(hub, "shop")
    assert dict(row(hub)) == before | {"check_at": None}, "they only prove that our write has arrived"
    assert len(shop.writes) == 1
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5)]


@pytest.mark.requirement("R35")
def test_a_number_edited_by_hand_is_put_right_after_the_orders_are_heard(both: Database) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop)
    shop.shown[BOLT] = 99
    advance(hub, 60)
    hear(hub, "shop", shows("BOLT", 99, 1))
    publish(hub, "shop")
    assert (states(hub)["BOLT"], shop.shown[BOLT]) == ("pending", 99)
    advance(hub, 1)
    with both.write() as connection:
        ChannelStore(connection, at(2)).heard_orders("shop", watermark=None, until=at(2), next_at=at(9))
    publish(hub, "shop")
    assert (states(hub)["BOLT"], shop.shown[BOLT]) == ("confirmed", 7)
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5)]


def test_an_observation_of_what_is_not_listed_says_nothing(filled: Database) -> None:
    hub = opened(filled, ScriptedShop())
    assert hear(hub, "shop", shows("GHOST", 3, 1), shows("BOLT", 7, 1, point="elsewhere")).dead == 0


def counting(database: Database) -> tuple[Hub, ScriptedShop]:
    """A hub whose till shows 2 BOLT of lyon."""
    till = ScriptedShop()
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": till})
    settle(hub)
    publish(hub, "till")
    advance(hub, 3600)
    return hub, till


@pytest.mark.requirement("R03")
def test_a_count_at_a_till_is_booked_as_the_difference(filled: Database) -> None:
    hub, till = counting(filled)
    till.shown[COUNTER_BOLT] = 6
    hear(hub, "till", shows("BOLT", 6, 10, channel="till", point="counter", counted=True))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("adjusted", 4)]
        assert world.published()["shop", "web", "BOLT"] == 11
        assert world.published()["till", "counter", "BOLT"] == 6
    publish(hub, "till")
    assert till.shown[COUNTER_BOLT] == 6
    hear(hub, "till", shows("BOLT", 6, 10, channel="till", point="counter", counted=True))
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 6


@pytest.mark.requirement("R03")
def test_a_ticket_heard_after_the_count_that_had_seen_it_is_compensated(both: Database) -> None:
    hub, till = counting(both)
    till.shown[COUNTER_BOLT] = 1
    hear(hub, "till", shows("BOLT", 1, 10, channel="till", point="counter", counted=True))
    hear(hub, "till", order_of(a_till_sale("t1", {"BOLT": 1}, "counter", channel="till", minute=5)))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("adjusted", -1), ("sold", -1), ("adjusted", 1)]
        assert world.published()["till", "counter", "BOLT"] == 1
    hear(hub, "till", order_of(a_till_sale("t2", {"BOLT": 1}, "counter", channel="till", minute=11)))
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.published()["till", "counter", "BOLT"]) == (0, 0)


@pytest.mark.requirement("R03")
def test_a_ticket_and_the_count_after_it_that_are_heard_together_are_not_counted_twice(filled: Database) -> None:
    hub, till = counting(filled)
    till.shown[COUNTER_BOLT] = 1
    hear(
        hub,
        "till",
        order_of(a_till_sale("t1", {"BOLT": 1}, "counter", channel="till", minute=5)),
        shows("BOLT", 1, 10, channel="till", point="counter", counted=True),
    )
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.published()["till", "counter", "BOLT"]) == (1, 1)


@pytest.mark.requirement("R03")
def test_a_ticket_that_is_booked_but_not_computed_yet_is_not_counted_twice(both: Database) -> None:
    hub, till = counting(both)
    till.shown[COUNTER_BOLT] = 1
    ticket = a_till_sale("t1", {"BOLT": 1}, "counter", channel="till", minute=5)
    store(hub, "till", (order_of(ticket.model_copy(update={"placed_at": at(5)})),))
    assert drain(hub).handled == 1
    store(hub, "till", (shows("BOLT", 1, 10, channel="till", point="counter", counted=True),))
    assert drain(hub).handled == 1
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 1


def test_an_older_count_heard_late_changes_nothing(filled: Database) -> None:
    hub, _ = counting(filled)
    hear(hub, "till", shows("BOLT", 6, 10, channel="till", point="counter", counted=True))
    hear(hub, "till", shows("BOLT", 3, 9, channel="till", point="counter", counted=True))
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 6


@pytest.mark.requirement("R02", "R20")
def test_a_count_below_what_is_promised_moves_the_promise_or_leaves_a_shortfall_with_its_task(filled: Database) -> None:
    hub, _ = counting(filled)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 7})))
    hear(hub, "till", shows("BOLT", -2, 10, channel="till", point="counter", counted=True))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (7, 5, 2)}
    assert sorted(task.kind for task in tasks(hub)) == ["oversold", "shortfall"]
