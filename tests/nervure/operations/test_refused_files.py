"""A platform that takes one file a minute and refuses it whole for one row: over its slots the row is found."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
import sqlalchemy as sa

from connectors.errors import RefusedError, ThrottledError
from connectors.mirakl_stock import ImportState, outcomes
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import ManualClock
from nervure.operations.hub import Hub
from nervure.operations.keeping import sweeping
from nervure.operations.loops import publishing
from nervure.operations.publish import PublishReport, publish, refresh
from nervure.operations.staff import receive
from nervure.operations.windows import Window
from nervure.store.database import Database
from nervure.store.parts import PartStore
from nervure.store.publications import PUBLICATION
from schemas.levels import LevelAnswer, LevelWrite, WriteOutcome
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import START, World
from tests.simulation.merchants import open_merchant

SLOT_SECONDS = 60.0
SKUS = tuple(f"S{number:02}" for number in range(16))


@dataclass
class SlottedShop(ScriptedShop):
    """Takes one write in 60 s and refuses it whole for one bad row; each refusal has a request id of its own."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    bad: frozenset[str] = frozenset()
    sizes: list[int] = field(default_factory=list)
    _free_at: float = 0.0

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        wait = self._free_at - self.clock.now().timestamp()
        if wait > 0:
            raise ThrottledError(f"one write in 60 s: wait {wait:.0f} s", retry_after_seconds=wait)
        self._free_at = self.clock.now().timestamp() + SLOT_SECONDS
        self.sizes.append(len(writes))
        if any(write.sku in self.bad for write in writes):
            raise RefusedError("the file is refused", request_id=f"r-{len(self.sizes)}")
        return self.apply(writes)


@dataclass
class ImportingShop(SlottedShop):
    """Takes each file, and says a while later that all of it failed for one bad row, as Mirakl's imports do."""

    files: list[list[LevelWrite]] = field(default_factory=list)

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        bad, self.bad = self.bad, frozenset[str]()
        shown = dict(self.shown)
        try:
            super().write_levels(writes, idempotency_key=idempotency_key)
        finally:
            self.bad = bad
        self.shown = shown
        self.files.append(list(writes))
        return [LevelAnswer(write.key, WriteOutcome.SENT, receipt=str(len(self.files))) for write in writes]

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:  # type: ignore[override]  # as the scripted shop
        file = self.files[int(receipt) - 1]
        has_failed = any(write.sku in self.bad for write in file)
        if not has_failed:
            self.apply(file)
        return outcomes(writes, ImportState("FAILED" if has_failed else "COMPLETE", False, None), [], receipt)


def with_slots(database: Database, *bad: str, kind: type[SlottedShop] = SlottedShop) -> tuple[Hub, SlottedShop]:
    """16 numbers wait to be sent for the first time."""
    shop = kind(bad=frozenset(bad))
    with database.write() as connection:
        world = World(connection)
        world.items(*SKUS)
        world.location("paris")
        world.channel("shop", {"web": ["paris"]})
        world.list_on("shop", *SKUS)
        for number, sku in enumerate(SKUS):
            world.receive(sku, "paris", 10 + number)
    hub = scripted_hub(database, {"shop": shop}, clock=shop.clock)
    refresh(hub)
    return hub, shop


def rounds(hub: Hub, slots: int) -> list[PublishReport]:
    """So many slots, each with a round at its end."""
    reports = []
    for _ in range(slots):
        reports.append(publish(hub, "shop"))
        advance(hub, SLOT_SECONDS)
    return reports


def states(hub: Hub) -> Counter[str]:
    with looking(hub) as world:
        return Counter(number.state.value for number in world.publications.numbers("shop"))


def reasons(hub: Hub) -> set[str]:
    """Why numbers are not shown."""
    with looking(hub) as world:
        ids = [number.publication_id for number in world.publications.numbers("shop")]
        return {str(row["reason"]) for one in ids if (row := world.publication(one))["reason"] is not None}


@pytest.mark.requirement("R28")
def test_a_refused_file_keeps_its_reason_and_the_bad_row_is_found_over_the_slots(database: Database) -> None:
    hub, shop = with_slots(database, "S05")
    first = publish(hub, "shop")
    assert first.outcomes == {"not_applied": 16}
    assert first.refusal == ("the file is refused (request r-1); what was refused as a whole is sent in smaller parts")
    assert (states(hub), reasons(hub)) == ({"pending": 16}, {"the file is refused (request r-1)"})
    assert publish(hub, "shop").total == 0, "the channel takes no more before its next slot"
    advance(hub, SLOT_SECONDS)
    rounds(hub, 8)
    assert shop.sizes == [16, 8, 8, 4, 4, 2, 2, 1, 1]
    assert states(hub) == {"confirmed": 15, "failed": 1}
    assert reasons(hub) == {"the file is refused (request r-9)"}
    assert shop.units() == {sku: 10 + number for number, sku in enumerate(SKUS) if sku != "S05"}
    assert rounds(hub, 1)[0].total == 0


@pytest.mark.requirement("R26", "R28")
def test_new_numbers_take_turns_with_the_parts_of_a_refused_file(database: Database) -> None:
    hub, shop = with_slots(database, "S05")
    rounds(hub, 3)
    for number in range(3):
        receive(hub, "S15", "paris", 1, document=f"D{number}")
        refresh(hub)
        rounds(hub, 2)
    assert shop.sizes == [16, 8, 8, 1, 4, 1, 4, 1, 2]
    assert shop.units()["S15"] == 28
    rounds(hub, 8)
    assert states(hub) == {"confirmed": 15, "failed": 1}


def test_a_row_that_was_refused_alone_goes_alone_from_then_on(database: Database) -> None:
    hub, shop = with_slots(database, "S05")
    rounds(hub, 9)
    shop.sizes.clear()
    for sku in ("S05", "S06", "S07"):
        receive(hub, sku, "paris", 1, document=f"more {sku}")
    refresh(hub)
    rounds(hub, 2)
    assert sorted(shop.sizes) == [1, 2]
    assert states(hub) == {"confirmed": 15, "failed": 1}
    shop.bad = frozenset()
    receive(hub, "S05", "paris", 1, document="mended")
    refresh(hub)
    rounds(hub, 1)
    assert states(hub) == {"confirmed": 16}


def test_what_was_refused_for_a_while_is_not_sent_in_small_parts_for_long(database: Database) -> None:
    hub, shop = with_slots(database, *SKUS)
    reports = rounds(hub, 7)
    assert shop.sizes == [16, 8, 8, 4, 4, 4, 4], "the largest parts go first: nobody is refused alone before that"
    assert all(report.refusal is not None for report in reports)
    assert states(hub) == {"pending": 16}
    shop.bad = frozenset()
    rounds(hub, 4)
    assert shop.sizes[7:] == [2, 4, 8, 2]
    assert states(hub) == {"confirmed": 16}


@pytest.mark.requirement("R28")
@pytest.mark.parametrize("bad", [("S05",), ("S00", "S05", "S12"), ("S00", "S01"), ("S14", "S15")])
def test_the_rows_for_which_imports_fail_are_found_and_all_others_are_shown(
    database: Database, bad: tuple[str, ...]
) -> None:
    hub, shop = with_slots(database, *bad, kind=ImportingShop)
    rounds(hub, 70)
    assert shop.units() == {sku: 10 + number for number, sku in enumerate(SKUS) if sku not in bad}
    assert states(hub) == {"confirmed": 16 - len(bad), "failed": len(bad)}
    assert reasons(hub) == {"the whole import failed"}
    sent = len(shop.sizes)
    rounds(hub, 5)
    assert len(shop.sizes) == sent, "nobody is asked again for what fails alone"


def test_one_number_whose_import_fails_for_a_while_is_sent_again(database: Database) -> None:
    hub, shop = with_slots(database, kind=ImportingShop)
    rounds(hub, 2)
    assert states(hub) == {"confirmed": 16}
    shop.bad = frozenset({"S05"})
    receive(hub, "S05", "paris", 1, document="more")
    refresh(hub)
    rounds(hub, 4)
    assert "failed" not in states(hub)
    shop.bad = frozenset()
    rounds(hub, 2)
    assert states(hub) == {"confirmed": 16}


def test_a_number_whose_imports_failed_in_an_outage_is_shown_when_that_is_over(database: Database) -> None:
    hub, shop = with_slots(database, kind=ImportingShop)
    rounds(hub, 2)
    window = Window(hub, 10 * 24 * 3600)
    look = sweeping(window)["aging"]
    shop.bad = frozenset({"S05"})  # whose file it is: the platform can import nothing now
    receive(hub, "S05", "paris", 1, document="more")
    refresh(hub)
    for tries, seconds in ((5, 900), (1, 1_800), (1, 3_600)):
        sent = len(shop.sizes)
        rounds(hub, 9)
        look()
        assert len(shop.sizes) == sent + tries
        assert states(hub) == {"confirmed": 15, "failed": 1}
        advance(hub, seconds)
        look()
    shop.bad = frozenset()
    rounds(hub, 2)
    assert states(hub) == {"confirmed": 16}
    assert shop.units()["S05"] == 16


def test_after_an_outage_parts_grow_until_they_are_none_any_more(database: Database) -> None:
    hub, shop = with_slots(database)
    with database.write() as connection:
        connection.execute(PUBLICATION.update().values(most_rows=1))
    rounds(hub, 8)
    assert shop.sizes == [1, 2, 4, 8, 1]
    with database.write() as connection:
        parts = PartStore(connection, hub.clock.now())
        connection.execute(PUBLICATION.update().values(most_rows=3, state="pending", noted_at=None))
        parts.widen("shop", 3, 6)
        assert set(connection.execute(sa.select(PUBLICATION.c.most_rows)).scalars()) == {None}


def test_a_refused_file_warns_and_heals_nothing(database: Database) -> None:
    hub, _ = with_slots(database, "S05")
    window = Window(hub, 3600)
    publishing(window)["shop"]()
    assert window.tally.take().warnings == {
        "shop": "the file is refused (request r-1); what was refused as a whole is sent in smaller parts"
    }


@pytest.mark.requirement("R28", "R33")
def test_mirakl_refuses_a_file_whole_and_all_but_its_bad_row_are_shown_slot_by_slot(database: Database) -> None:
    merchant = open_merchant(database)
    merchant.open()
    merchant.clock.advance(SLOT_SECONDS)
    emulator = merchant.world.accounts["marketplace"].emulator
    emulator.refuses_files_with.add("TRAY")  # type: ignore[attr-defined]  # Mirakl's emulator
    merchant.disturb["marketplace"] = naming_its_requests()
    for sku in ("MUG", "TRAY"):
        receive(merchant.hub, sku, "WH-LYON", 4, document=f"more {sku}")
    refresh(merchant.hub)
    report = publish(merchant.hub, "marketplace")
    assert report.refusal is not None
    assert report.refusal.startswith(
        "Mirakl answered 400 to POST /api/offers/stock/imports: VALIDATION_ERROR (request r-"
    )
    for _ in range(12):
        merchant.turn()
        merchant.clock.advance(30)
    assert (merchant.shelf("marketplace"), merchant.shelf("webshop")) == (
        {"MUG": 13, "TRAY": 11, "SET": 5},
        {"MUG": 13, "TRAY": 15, "SET": 5},
    )
    with merchant.hub.database.read() as connection:
        numbers = World(connection, merchant.clock.now()).publications.numbers("marketplace")
    assert {number.sku: number.state.value for number in numbers} == {
        "MUG": "confirmed",
        "TRAY": "failed",
        "SET": "confirmed",
    }


def naming_its_requests() -> Callable[[Send, HttpRequest], HttpResponse]:
    """A platform that gives each of its answers an id of its own."""
    numbers = count(1)

    def answered(wire: Send, request: HttpRequest) -> HttpResponse:
        answer = wire(request)
        return HttpResponse(answer.status, {**answer.headers, "x-request-id": f"r-{next(numbers)}"}, answer.body)

    return answered
