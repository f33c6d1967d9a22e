"""A bad row does not hold its batch, and an import that never ends does not hold its channel."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from connectors.errors import ContractError, NoAnswerError, RefusedError, UnavailableError
from nervure.clock import ManualClock
from nervure.operations.batches import MAX_CALLS, write_apart
from nervure.operations.flights import LONGEST_IMPORT_SECONDS
from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.staff import receive
from nervure.store.database import Database
from schemas.capabilities import Confirmation
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome
from tests.nervure.operations.scripted import ScriptedShop, advance, scripted_hub, settle, tasks
from tests.nervure.operations.test_publish import BOLT, NUT, PAIR, opened, row, sent, states
from tests.nervure.operations.test_readback import orders_heard
from tests.nervure.world import START, capable


@dataclass
class WholeShop(ScriptedShop):
    """Refuses a whole write for one bad row, and does not say which."""

    bad: frozenset[str] = frozenset()
    keys: list[str] = field(default_factory=list)
    names_requests: bool = False

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        self.keys.append(idempotency_key)
        return super().write_levels(writes, idempotency_key=idempotency_key)

    def apply(self, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        if any(write.sku in self.bad for write in writes):
            request_id = f"r-{len(self.keys)}" if self.names_requests else None
            raise RefusedError("the shop refused the file", request_id=request_id)
        return super().apply(writes)


def rows(count: int) -> list[LevelWrite]:
    return [LevelWrite(LevelKey(f"S-{number}", "web"), number, None, f"{number}") for number in range(count)]


def written(shop: WholeShop, count: int, clock: ManualClock | None = None) -> dict[str, list[str]]:
    """Writes so many rows; answers skus by outcome."""
    clock = clock or ManualClock(START)
    answers = write_apart(shop, rows(count), idempotency_key="flight", now=clock.now).answers
    assert [answer.key for answer in answers] == [write.key for write in rows(count)]
    found: dict[str, list[str]] = {}
    for answer in answers:
        found.setdefault(answer.outcome.value, []).append(answer.key.stock_id.removeprefix("S-"))
    return found


@pytest.mark.requirement("R28")
@pytest.mark.parametrize("bad", [(0,), (4_321,), (9_999,), (17, 8_000), (5, 6)])
def test_bad_rows_among_10_000_are_found_and_all_others_are_written_in_the_same_cycle(bad: tuple[int, ...]) -> None:
    shop = WholeShop(bad=frozenset(map(str, bad)))
    found = written(shop, 10_000)
    assert found["refused"] == [str(number) for number in bad]
    assert len(found["confirmed"]) == len(shop.shown) == 10_000 - len(bad)
    assert found.keys() == {"refused", "confirmed"}
    assert len(shop.writes) <= MAX_CALLS
    assert len(set(shop.keys)) == len(shop.keys), "each part is another write"
    assert shop.keys[0] == "flight"


@pytest.mark.requirement("R28")
def test_with_more_bad_rows_than_there_are_calls_the_rest_waits_for_the_next_round() -> None:
    shop = WholeShop(bad=frozenset(str(number) for number in range(0, 1_000, 10)))
    found = written(shop, 1_000)
    assert len(shop.writes) == MAX_CALLS
    assert len(found["refused"]) == 7
    assert len(found["not_applied"]) + len(found["refused"]) + len(found["confirmed"]) == 1_000


@pytest.mark.parametrize("names_requests", [False, True])
def test_where_every_row_is_refused_alike_no_row_is_at_fault(*, names_requests: bool) -> None:
    shop = WholeShop(bad=frozenset(str(number) for number in range(100)), names_requests=names_requests)
    with pytest.raises(ContractError, match="the channel refuses every row alike: the shop refused the file"):
        written(shop, 100)
    assert len(shop.writes) < 30


@pytest.mark.parametrize(
    ("error", "outcome"), [(UnavailableError("down"), "not_applied"), (NoAnswerError("silence"), "unknown")]
)
def test_a_failure_in_the_middle_leaves_what_was_written_and_tries_no_more(error: Exception, outcome: str) -> None:
    shop = WholeShop(bad=frozenset({"7"}))

    def fail(_: Sequence[LevelWrite]) -> list[LevelAnswer]:
        raise error

    shop.script.extend([shop.apply, shop.apply, fail])
    found = written(shop, 8)
    assert found["confirmed"] == ["0", "1", "2", "3"]
    assert set(found[outcome]) >= {"4", "5", "6", "7"}


def test_a_failure_of_the_first_call_is_the_callers() -> None:
    with pytest.raises(UnavailableError):
        written(WholeShop(error=UnavailableError("down")), 8)


@pytest.mark.requirement("R28", "R33")
def test_a_refused_row_is_reported_and_the_others_are_shown_in_the_same_round(both: Database) -> None:
    shop = WholeShop(bad=frozenset({"NUT"}))
    hub = scripted_hub(both, {"shop": shop})
    settle(hub)
    assert publish(hub, "shop").outcomes == {"confirmed": 2, "refused": 1}
    assert states(hub) == {"BOLT": "confirmed", "NUT": "failed", "PAIR": "confirmed"}
    assert row(hub, "NUT")["reason"] == "the shop refused the file"


# -- imports -------------------------------------------------------------------------------------------------------


def running(writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
    return [LevelAnswer(write.key, WriteOutcome.SENT, receipt="import 1") for write in writes]


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("error", [None, ContractError("unknown state"), UnavailableError("down")])
def test_an_import_that_never_ends_holds_nothing_else_up_and_is_given_up_after_15_minutes(
    both: Database, error: ContractError | UnavailableError | None
) -> None:
    shop = ScriptedShop(imports={"import 1": {}})
    hub = opened(both, shop, confirmation=Confirmation.IMPORT_REPORT)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(running)
    publish(hub, "shop")
    if error is not None:
        shop.receipt_error = error
    advance(hub, 5)
    receive(hub, "NUT", "paris", 1, document="1")
    refresh(hub)
    if error is None:
        publish(hub, "shop")
    else:
        with pytest.raises(type(error)):
            publish(hub, "shop")
    assert (shop.shown[NUT], states(hub)["BOLT"], tasks(hub)) == (9, "sent", [])

    advance(hub, LONGEST_IMPORT_SECONDS - 6)
    try_to_publish(hub)
    assert tasks(hub) == []
    advance(hub, 6)
    publish(hub, "shop")
    reason = str(error) if error else "it is still running"
    assert [(task.kind, task.subject, task.text) for task in tasks(hub)] == [
        (
            "stuck_import",
            "import:shop:import 1",
            f"shop has not finished import import 1 of 1 number after 15 minutes ({reason}): ask the operator;"
            " what is shown is read back",
        )
    ]
    assert shop.reads[-1] == [BOLT]
    orders_heard(hub)
    shop.receipt_error = None
    publish(hub, "shop")
    assert (shop.shown[BOLT], states(hub)["BOLT"]) == (8, "confirmed")


def try_to_publish(hub: Hub) -> None:
    try:
        publish(hub, "shop")
    except (ContractError, UnavailableError):
        return


@pytest.mark.requirement("R32")
def test_the_next_import_that_ends_closes_the_task(filled: Database) -> None:
    shop = ScriptedShop(imports={"import 1": {}})
    hub = scripted_hub(filled, {"shop": shop}, capabilities={"shop": capable(confirmation=Confirmation.IMPORT_REPORT)})
    settle(hub)
    shop.script.append(running)
    publish(hub, "shop")
    shop.shown = {BOLT: 7, NUT: 8, PAIR: 4}
    advance(hub, LONGEST_IMPORT_SECONDS)
    publish(hub, "shop")
    assert [task.kind for task in tasks(hub)] == ["stuck_import"]
    assert states(hub) == dict.fromkeys(("BOLT", "NUT", "PAIR"), "confirmed"), "what it shows decides"
    assert len(sent(shop)) == 1
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    shop.script.append(running)
    publish(hub, "shop")
    shop.imports["import 1"] = {BOLT: LevelAnswer(BOLT, WriteOutcome.CONFIRMED)}
    advance(hub, 5)
    publish(hub, "shop")
    assert tasks(hub) == []
