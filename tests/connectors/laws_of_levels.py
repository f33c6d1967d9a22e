"""The number written is the number shown, and every answer about it is true."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from connectors.errors import NoAnswerError, RefusedError
from connectors.records import WRITE_SECONDS
from connectors.transport import HttpRequest, HttpResponse, Send
from schemas.capabilities import StockMeaning, WriteMode
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome
from simulation.platform import CatalogueEntry, ShelfCause
from tests.connectors.bench import A, B, Bench, C, D, Disturbed, Laws, is_import, unlike

MANY = tuple(CatalogueEntry(f"MANY-{n:03}", f"Many {n:03}", Decimal("6.00")) for n in range(260))

CONFIRMED, SENT, STALE = WriteOutcome.CONFIRMED, WriteOutcome.SENT, WriteOutcome.STALE
REFUSED, NOT_APPLIED, UNKNOWN = WriteOutcome.REFUSED, WriteOutcome.NOT_APPLIED, WriteOutcome.UNKNOWN


def lost(request: HttpRequest, wire: Send) -> HttpResponse:
    """The request never arrives, and nobody learns it."""
    raise NoAnswerError("no answer")


def unanswered(request: HttpRequest, wire: Send) -> HttpResponse:
    """The request arrives and has its effect; the answer is lost."""
    wire(request)
    raise NoAnswerError("no answer")


class LevelLaws(Laws):
    @pytest.mark.requirement("R42")
    @pytest.mark.parametrize("units", [0, 1, 1_000_000])
    def test_the_number_written_is_the_number_shown_and_no_other_moves(self, units: int) -> None:
        bench = self.bench()
        bench.stock((A, 5), (B, 5))
        expected = {**bench.shelf(), (A, bench.point): units}
        bench.clock.advance(60)
        writes = [LevelWrite(bench.key(A), units, sku=A)]
        answers = bench.write_all(writes)
        assert [answer.outcome for answer in answers] == [SENT if is_import(bench.capabilities) else CONFIRMED]
        assert [answer.outcome for answer in bench.settle(writes, answers)] == [CONFIRMED]
        assert bench.shelf() == expected
        assert bench.hub.read_levels([bench.key(A)]) == [LevelReading(bench.key(A), units)]

    @pytest.mark.requirement("R30")
    def test_the_number_means_what_is_declared(self) -> None:
        bench = self.bench()
        bench.stock((A, 9))
        self.paid_order(bench, (A, 4))
        bench.clock.advance(60)
        assert bench.hub.read_levels([bench.key(A)]) == [LevelReading(bench.key(A), 5)]
        writes = [LevelWrite(bench.key(A), 7, sku=A)]
        assert [one.outcome for one in bench.settle(writes, bench.write_all(writes))] == [CONFIRMED]
        is_available = bench.capabilities.stock_meaning is StockMeaning.AVAILABLE
        is_without_committed = not bench.capabilities.committed_included
        assert bench.units(A) == (7 if is_available and is_without_committed else 3)

    def test_each_stock_point_has_its_own_number(self) -> None:
        bench = self.bench()
        for number, point in enumerate(bench.rig.stock_points):
            before = bench.shelf()
            writes = [LevelWrite(bench.key(A, point), 40 + number, sku=A)]
            answers = bench.write_all(writes, key=f"write-{point}")
            assert [one.outcome for one in bench.settle(writes, answers)] == [CONFIRMED]
            assert bench.shelf() == {**before, (A, point): 40 + number}
            bench.clock.advance(bench.capabilities.write_period_seconds)
        keys = [bench.key(A, point) for point in bench.rig.stock_points]
        assert [one.units for one in bench.hub.read_levels(keys)] == [40 + number for number in range(len(keys))]

    def test_a_full_batch_is_written_row_by_row(self) -> None:
        bench = self.bench(MANY)
        keys = [(entry.sku, point) for point in bench.rig.stock_points for entry in MANY]
        rows = keys[: bench.capabilities.write_batch]
        assert len(rows) == min(bench.capabilities.write_batch, len(keys))
        writes = [LevelWrite(bench.key(*row), 3 * number, sku=row[0]) for number, row in enumerate(rows)]
        expected = {**bench.shelf(), **{row: 3 * number for number, row in enumerate(rows)}}
        answers = bench.settle(writes, bench.write_all(writes))
        assert {answer.outcome for answer in answers} == {CONFIRMED}
        assert bench.shelf() == expected
        readings = bench.hub.read_levels([write.key for write in reversed(writes)])
        assert readings == [LevelReading(write.key, write.units) for write in reversed(writes)]

    def test_no_rows_are_no_answers(self) -> None:
        bench = self.bench()
        before = bench.shelf()
        assert bench.hub.write_levels([], idempotency_key="write-1") == []
        assert bench.hub.read_levels([]) == []
        assert bench.shelf() == before

    @pytest.mark.requirement("R28")
    @pytest.mark.parametrize("place", [0, 1, 3])
    @pytest.mark.parametrize("unknown", ["id", "form", "point"])
    def test_an_unknown_row_is_refused_and_holds_no_other_back(self, unknown: str, place: int) -> None:
        bench = self.bench()
        bench.stock((A, 5), (B, 5), (C, 5))
        bench.clock.advance(60)
        good = bench.key(A)
        bad = {
            "id": LevelKey(unlike(good.stock_id), good.stock_point),
            "form": LevelKey("no/such;thing", good.stock_point),
            "point": LevelKey(good.stock_id, unlike(good.stock_point)),
        }[unknown]
        writes = [LevelWrite(bench.key(sku), 10 + n, sku=sku) for n, sku in enumerate((C, A, B))]
        writes.insert(place, LevelWrite(bad, 99, sku=bad.stock_id))
        expected = {**bench.shelf(), (C, bench.point): 10, (A, bench.point): 11, (B, bench.point): 12}
        answers = bench.write_all(writes)
        assert {answer.outcome for answer in answers} <= {CONFIRMED, SENT, REFUSED, NOT_APPLIED}
        _confirmed_is_shown(bench, writes, answers)
        last = bench.settle(writes, answers)
        assert [one.outcome for one in last] == [REFUSED if one.key == bad else CONFIRMED for one in last]
        assert all(one.reason for one in last if one.outcome is REFUSED)
        assert bench.shelf() == expected

    def test_several_unknown_rows_are_each_refused(self) -> None:
        bench = self.bench()
        good = bench.key(A)
        bad = [LevelKey(unlike(good.stock_id) + end, good.stock_point) for end in ("1", "2")]
        writes = [LevelWrite(key, 8) for key in (bad[0], bench.key(B), bench.key(D), bad[1], good)]
        last = bench.settle(writes, bench.write_all(writes))
        assert [one.outcome for one in last] == [REFUSED, CONFIRMED, CONFIRMED, REFUSED, CONFIRMED]
        assert [bench.units(sku) for sku in (A, B, D)] == [8, 8, 8]

    def test_the_same_write_again_has_no_second_effect(self) -> None:
        bench = self.bench()
        bench.stock((A, 5), (B, 5))
        bench.clock.advance(60)
        writes = [LevelWrite(bench.key(A), 3, sku=A), LevelWrite(bench.key(B), 4, sku=B)]
        bench.settle(writes, bench.write_all(writes, key="again"))
        before = bench.shelf()
        bench.clock.advance(bench.capabilities.write_period_seconds)
        answers = bench.write_all(writes, key="again")
        assert [one.outcome for one in bench.settle(writes, answers)] == [CONFIRMED, CONFIRMED]
        assert bench.shelf() == before

    def test_compare_and_set_writes_nothing_over_a_number_it_did_not_expect(self) -> None:
        bench = self.bench()
        if bench.capabilities.write_mode is not WriteMode.COMPARE_AND_SET:
            return
        bench.stock((A, 5), (B, 5), (C, 5))
        bench.buy((A, 1))  # the hub still believes in 5
        before = bench.shelf()
        writes = [LevelWrite(bench.key(B), 8, 5), LevelWrite(bench.key(A), 9, 5), LevelWrite(bench.key(C), 7, 5)]
        answers = bench.write_all(writes)
        assert answers[1].outcome is STALE
        _confirmed_is_shown(bench, writes, answers)
        assert bench.units(A) == before[A, bench.point]
        assert [one.outcome for one in bench.settle(writes, answers)] == [CONFIRMED, STALE, CONFIRMED]
        assert [bench.units(sku) for sku in (B, A, C)] == [8, 4, 7]
        assert [one.outcome for one in bench.write_all([LevelWrite(bench.key(A), 9, 4)], key="write-9")] == [CONFIRMED]
        assert bench.units(A) == 9

    @pytest.mark.parametrize("seconds", [0, 30])
    @pytest.mark.parametrize("expected", [5, None])
    def test_the_same_key_does_not_undo_a_sale(self, expected: int | None, seconds: int) -> None:
        bench = self.bench()
        if not self.has_idempotency_keys:
            return
        bench.stock((A, 5))
        bench.clock.advance(60)
        writes = [LevelWrite(bench.key(A), 9, expected)]
        bench.write_all(writes, key="again")
        bench.clock.advance(seconds)
        bench.buy((A, 2))
        bench.clock.advance(seconds)
        bench.write_all(writes, key="again")
        assert bench.units(A) == 7

    def test_last_writer_wins_whatever_was_expected(self) -> None:
        bench = self.bench()
        if bench.capabilities.write_mode is not WriteMode.LAST_WRITER_WINS:
            return
        bench.stock((A, 5))
        bench.clock.advance(60)
        writes = [LevelWrite(bench.key(A), 9, 1234, A)]
        assert [one.outcome for one in bench.settle(writes, bench.write_all(writes))] == [CONFIRMED]
        assert bench.units(A) == 9

    def test_a_sale_right_after_the_write_is_kept(self) -> None:
        bench = self.bench()
        bench.stock((A, 5))
        bench.clock.advance(60)
        writes = [LevelWrite(bench.key(A), 9, sku=A)]
        bench.settle(writes, bench.write_all(writes))
        bench.buy((A, 2))
        bench.clock.advance(60)
        assert bench.units(A) == 7
        assert bench.hub.read_levels([bench.key(A)]) == [LevelReading(bench.key(A), 7)]

    @pytest.mark.requirement("R36")
    @pytest.mark.parametrize("rows", [1, 3])
    @pytest.mark.parametrize("fault", [lost, unanswered])
    def test_a_time_out_is_unknown_and_reading_back_tells(
        self, fault: Callable[[HttpRequest, Send], HttpResponse], rows: int
    ) -> None:
        calls = self._requests_of_a_write(rows)
        assert calls > 0
        for first in range(calls):
            bench, writes = self._three_writes(rows)
            before = bench.shelf()
            disturbed = Disturbed(bench, fault, first)
            answers = bench.write_all(writes, hub=disturbed.connect())
            assert UNKNOWN in {answer.outcome for answer in answers}
            assert {answer.outcome for answer in answers} <= {UNKNOWN, CONFIRMED, NOT_APPLIED}
            bench.clock.advance(60)  # an import would land by itself
            _confirmed_is_shown(bench, writes, answers)
            shown = bench.shelf()
            readings = bench.hub.read_levels([write.key for write in writes])
            assert [one.units for one in readings] == [shown[sku, bench.point] for sku in (A, B, C)[:rows]]
            if first == calls - 1 and rows == 1:  # the write itself: one request, whatever became of it
                assert len(disturbed.sent) == calls
                assert answers[0].outcome is UNKNOWN
                assert shown[A, bench.point] == (11 if fault is unanswered else before[A, bench.point])
            written = [one for one in bench.emulator.shelf_log if one.cause is ShelfCause.WRITTEN]
            assert len(written) <= rows
            bench.clock.advance(bench.capabilities.write_period_seconds)
            again = bench.write_all(writes, key="after-reading")
            assert {one.outcome for one in bench.settle(writes, again)} == {CONFIRMED}
            assert [bench.units(sku) for sku in (A, B, C)[:rows]] == [11, 12, 13][:rows]

    @pytest.mark.requirement("R36")
    def test_no_number_is_sent_so_late_that_a_newer_one_may_be_there(self) -> None:
        """A hub that gives up on a slow write sends a newer number: the slow one must not go on behind its back."""
        bench, writes = self._three_writes(3)
        begun_at = bench.clock.now()
        sent_at: list[float] = []

        def slow(request: HttpRequest, wire: Send) -> HttpResponse:
            sent_at.append((bench.clock.now() - begun_at).total_seconds())
            bench.clock.advance(WRITE_SECONDS / 2 + 1)
            return wire(request)

        answers = bench.write_all(writes, hub=Disturbed(bench, slow).connect())
        assert [at for at in sent_at if at > WRITE_SECONDS] == []
        shown = [bench.units(sku) for sku in (A, B, C)]
        for answer, units, before, after in zip(answers, shown, (5, 5, 5), (11, 12, 13), strict=True):
            if answer.outcome is not SENT:  # an import takes effect when it likes, with its report
                assert units == (before if answer.outcome is NOT_APPLIED else after)

    @pytest.mark.requirement("R36")
    def test_a_write_without_an_answer_takes_effect_by_the_time_declared(self) -> None:
        calls = self._requests_of_a_write(1)
        bench, writes = self._three_writes(1)
        [answer] = bench.write_all(writes, hub=Disturbed(bench, unanswered, calls - 1).connect())
        assert answer.outcome is UNKNOWN
        bench.clock.advance(bench.capabilities.late_effect_seconds)
        assert bench.units(A) == 11
        bench.stock((A, 4))
        bench.clock.advance(3600)
        assert bench.units(A) == 4, "not a second time, and not later"

    def _three_writes(self, rows: int) -> tuple[Bench, list[LevelWrite]]:
        bench = self.bench()
        bench.stock((A, 5), (B, 5), (C, 5))
        bench.clock.advance(60)
        return bench, [LevelWrite(bench.key(sku), 11 + n, sku=sku) for n, sku in enumerate((A, B, C)[:rows])]

    def _requests_of_a_write(self, rows: int) -> int:
        bench, writes = self._three_writes(rows)
        bench.listings()
        before = len(bench.rig.requests)
        bench.rig.connect().write_levels(writes, idempotency_key="write-1")
        return len(bench.rig.requests) - before

    def test_readings_are_in_the_order_asked_with_none_for_the_unknown(self) -> None:
        bench = self.bench()
        bench.stock((A, 4), (B, 0), (C, 6))
        a, b, c = bench.key(A), bench.key(B), bench.key(C)
        no_id = LevelKey(unlike(a.stock_id), a.stock_point)
        no_point = LevelKey(a.stock_id, unlike(a.stock_point))
        no_form = LevelKey("no/such;thing", a.stock_point)
        asked = [c, no_id, a, no_point, b, no_form, a]
        units = [6, None, 4, None, 0, None, 4]
        assert bench.hub.read_levels(asked) == [LevelReading(*row) for row in zip(asked, units, strict=True)]

    def test_only_imports_have_receipts(self) -> None:
        bench = self.bench()
        writes = [LevelWrite(bench.key(A), 3, sku=A)]
        if not is_import(bench.capabilities):
            with pytest.raises(RefusedError):
                bench.hub.read_receipt("1", writes)
            assert [one.receipt for one in bench.write_all(writes)] == [None]
            return
        [answer] = bench.write_all(writes)
        assert answer.receipt
        before = bench.units(A)
        [running] = bench.hub.read_receipt(answer.receipt, writes)
        assert (running.outcome, running.receipt, bench.units(A)) == (SENT, answer.receipt, before)
        bench.clock.advance(120)
        assert [one.outcome for one in bench.hub.read_receipt(answer.receipt, writes)] == [CONFIRMED]
        assert bench.units(A) == 3
        bench.clock.advance(120)
        assert [one.outcome for one in bench.hub.read_receipt("no-such-receipt", writes)] == [UNKNOWN]


def _confirmed_is_shown(bench: Bench, writes: list[LevelWrite], answers: list[LevelAnswer]) -> None:
    """CONFIRMED rows stand on the shelf; refused, stale and unapplied ones do not."""
    skus = {one.stock_id: sku for sku, one in bench.listings().items()}
    for write, answer in zip(writes, answers, strict=True):
        shown = bench.shelf().get((skus.get(write.key.stock_id, ""), write.key.stock_point))
        if answer.outcome is CONFIRMED:
            assert shown == write.units
        if answer.outcome in (REFUSED, STALE, NOT_APPLIED):
            assert shown != write.units
