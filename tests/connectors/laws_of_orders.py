"""Everything bought is heard once, and as it was; nothing is lost between pages and polls."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from schemas.capabilities import DecrementMoment
from schemas.documents import RawDocument
from schemas.orders import DeliveryMethod, Order, OrderState, Return
from schemas.stock import ChannelMovement, MovementKind
from tests.connectors.bench import PRICES, SHOPPER, A, B, Bench, C, Laws, Poller, basket, documents, returned_units

START_OF_DAY = datetime(2026, 3, 2, tzinfo=UTC)


class OrderLaws(Laws):
    @pytest.mark.requirement("R40")
    def test_everything_bought_is_heard_exactly_once_and_as_it_was(self) -> None:
        bench = self.bench()
        bench.stock((A, 50), (B, 50), (C, 50), ("LAW-VM", 50))
        baskets = [((A, 3), (B, 7)), ((C, 2),), (("LAW-VM", 1), (A, 1), (B, 1)), ((A, 1),)]
        bought: dict[str, tuple[datetime, dict[str, int]]] = {}
        for lines in baskets:
            bench.clock.advance(61)
            bought[bench.buy(*lines)] = (bench.clock.now(), dict(lines))
        bench.clock.advance(61)
        heard = bench.pull()
        by_document = {one: bench.facts([one], Order) for one in heard}
        assert Counter(order.external_id for found in by_document.values() for order in found) == Counter(list(bought))
        assert len({one.event_id for one in heard}) == len(heard)
        for document, found in by_document.items():
            for order in found:
                assert document.document_id == order.external_id
                at, units = bought[order.external_id]
                assert bench.live(order) == units
                assert order.placed_at == at
                assert order.updated_at == at
                assert (order.placed_at.tzinfo, order.updated_at.tzinfo) == (UTC, UTC)
                _amounts_are_exact(bench, order)
                if order.delivery.address is not None:
                    assert order.delivery.address.country == SHOPPER.country
                if order.delivery.method is not DeliveryMethod.SHIP:
                    assert order.delivery.stock_point == bench.point
        assert len({order.number for found in by_document.values() for order in found}) == len(bought)

    def test_pulled_again_it_is_the_same_events(self) -> None:
        bench = self.bench()
        bench.stock((A, 50))
        for _ in range(5):
            bench.buy((A, 1))
        first = bench.pull()
        bench.clock.advance(3)
        again = documents(bench.rig.connect().pull_orders(bench.clock.now() - timedelta(hours=2)))
        assert _order_events(bench, again) == _order_events(bench, first)
        assert len(_order_events(bench, first)) == 5

    def test_a_change_of_the_same_second_is_a_new_event(self) -> None:
        bench = self.bench()
        bench.stock((A, 50), (B, 50))
        order_id = self.waiting_order(bench, (A, 3), (B, 2))
        first = _order_events(bench, bench.pull())
        assert bench.emulator.cancel(order_id, basket((A, 1)), bench.clock.now())
        again = _order_events(bench, bench.pull())
        assert len(first) == len(again) == 1
        assert first != again

    def test_since_is_included(self) -> None:
        bench = self.bench()
        bench.stock((A, 50))
        bought = set()
        for _ in range(3):
            bench.clock.advance(600)
            bought.add(bench.buy((A, 1)))
        since = bench.clock.now()
        bench.clock.advance(1200)
        found = {order.external_id for order in bench.facts(bench.pull(since), Order)}
        assert found & bought == {max(bought, key=lambda one: bench.order(one).placed_at)}

    def test_a_watermark_never_passes_what_was_not_yielded(self) -> None:
        bench = self.bench()
        bench.stock((A, 90))
        latest: dict[str, tuple[int, datetime]] = {}
        for _ in range(3):
            bench.clock.advance(1)
            latest |= {self.waiting_order(bench, (A, 3)): (3, bench.clock.now()) for _ in range(3)}
        seen: dict[str, int] = {}
        newest = bench.clock.now()
        watermarks: list[datetime] = []
        for number, page in enumerate(bench.hub.pull_orders(START_OF_DAY)):
            heard = {order.external_id: sum(bench.live(order).values()) for order in bench.facts(page.documents, Order)}
            seen |= heard
            if page.watermark is not None:
                assert page.watermark.tzinfo is not None
                # From before the read, or from the rows: never from after it.
                assert page.watermark <= max([newest, *(at for order, (_, at) in latest.items() if order in seen)])
                unheard = {order: at for order, (units, at) in latest.items() if seen.get(order) != units}
                assert [order for order, at in unheard.items() if at < page.watermark] == []
                watermarks.append(page.watermark)
            if heard and {units for units, _ in latest.values()} == {
                3
            }:  # what was just read changes in the same second
                order_id = next(iter(heard))
                assert bench.emulator.cancel(order_id, basket((A, 1)), bench.clock.now())
                latest[order_id] = (2, bench.clock.now())
            bench.clock.advance(1)
            if number < 3:  # somebody buys while the pages are read
                latest[self.waiting_order(bench, (A, 3))] = (3, bench.clock.now())
        assert watermarks
        assert watermarks == sorted(watermarks)
        assert watermarks[-1] >= newest

    @pytest.mark.requirement("R25")
    def test_nothing_is_lost_when_a_pull_breaks_off(self) -> None:
        whole = Poller(self._spread_orders())
        pages = whole.poll()
        bought = set(whole.orders())
        assert len(bought) == 8
        assert pages > 2
        for cut in range(1, pages):
            poller = Poller(self._spread_orders())
            poller.poll(pages=cut)
            poller.bench.clock.advance(60)
            poller.poll()
            assert set(poller.orders()) == bought

    def _spread_orders(self) -> Bench:
        """Orders further apart than the overlap, two at a time."""
        bench = self.bench()
        bench.stock((A, 90))
        for _ in range(4):
            bench.clock.advance(bench.capabilities.order_overlap_seconds + 60)
            bench.buy((A, 1))
            bench.buy((A, 1))
        return bench

    @pytest.mark.requirement("R25")
    def test_nothing_is_lost_or_doubled_between_polls_and_within_one_second(self) -> None:
        bench = self.bench()
        bench.stock((A, 90))
        poller = Poller(bench)
        bought = {bench.buy((A, 1)), bench.buy((A, 1))}
        poller.poll()
        bought |= {bench.buy((A, 1)), bench.buy((A, 1)), bench.buy((A, 1))}
        poller.poll()
        assert set(poller.orders()) == bought
        bench.clock.advance(1)
        bought.add(bench.buy((A, 1)))
        poller.poll()
        for _ in range(3):
            bench.clock.advance(bench.capabilities.order_overlap_seconds + 300)
            bought.add(bench.buy((A, 1)))
            poller.poll()
        assert set(poller.orders()) == bought
        assert len(_order_events(bench, poller.documents.values())) == len(bought)

    def test_an_old_change_within_the_overlap_is_pulled_again(self) -> None:
        bench = self.bench()
        bench.stock((A, 90))
        poller = Poller(bench)
        bench.clock.advance(3600)
        order_id = bench.buy((A, 1))
        bench.clock.advance(1)
        bench.buy((A, 1))
        poller.poll()
        events = len(poller.documents)
        del poller.documents[next(key for key, one in poller.documents.items() if one.document_id == order_id)]
        poller.poll()
        assert order_id in poller.orders()
        assert len(poller.documents) == events

    def test_orders_placed_between_two_pages_are_heard(self) -> None:
        bench = self.bench()
        bench.stock((A, 90))
        bought = {bench.buy((A, 1)) for _ in range(5)}

        def another(page: int) -> None:
            bench.clock.advance(1)
            if page <= 4:
                bought.add(bench.buy((A, 1)))

        poller = Poller(bench)
        poller.poll(between=another)
        bench.clock.advance(60)
        poller.poll()
        assert set(poller.orders()) == bought

    @pytest.mark.parametrize("changed", ["first", "last"])
    def test_an_order_that_changes_between_two_pages_hides_no_other(self, changed: str) -> None:
        bench = self.bench()
        bench.stock((A, 90))
        bought = []
        for _ in range(7):
            bench.clock.advance(30)
            bought.append(self.waiting_order(bench, (A, 3)))
        bench.clock.advance(30)
        order_id = bought[0 if changed == "first" else -1]

        def edit(page: int) -> None:
            bench.clock.advance(1)
            if page <= 2:
                assert bench.emulator.cancel(order_id, basket((A, 1)), bench.clock.now())

        poller = Poller(bench)
        poller.poll(between=edit)
        bench.clock.advance(60)
        poller.poll()
        live = {one: bench.live(order) for one, order in poller.orders().items()}
        assert live == {one: {A: 1 if one == order_id else 3} for one in bought}

    def test_what_waits_for_payment_or_acceptance_says_so(self) -> None:
        bench = self.bench()
        bench.stock((A, 9))
        order_id = self.unpaid_order(bench, (A, 2))
        if order_id is not None:
            assert bench.order(order_id).state is OrderState.AWAITING_PAYMENT
            assert bench.order(order_id).lines[0].units_canceled == 0
            self.pay(bench, order_id)
            assert bench.order(order_id).state in (OrderState.OPEN, OrderState.COMPLETED)
        order_id = bench.buy((A, 2))
        waits = bench.capabilities.must_accept_orders
        assert (bench.order(order_id).state is OrderState.AWAITING_ACCEPTANCE) is waits

    @pytest.mark.requirement("R30")
    def test_the_number_goes_down_when_declared(self) -> None:
        bench = self.bench()
        bench.stock((A, 9), (B, 9))
        before = bench.shelf()
        order_id = self.unpaid_order(bench, (A, 2), (B, 1))
        taken = {**before, (A, bench.point): 7, (B, bench.point): 8}
        if order_id is not None:
            at_once = bench.capabilities.decrements_at in (DecrementMoment.CART, DecrementMoment.ORDER)
            assert bench.shelf() == (taken if at_once else before)
            self.pay(bench, order_id)
        else:
            assert bench.capabilities.decrements_at is DecrementMoment.ORDER
            bench.buy((A, 2), (B, 1))
        assert bench.shelf() == taken

    @pytest.mark.parametrize("units", [{A: 1}, {A: 3}, {A: 3, B: 2}, {}])
    def test_canceled_units_are_told_and_restocked_as_declared(self, units: dict[str, int]) -> None:
        bench = self.bench()
        bench.stock((A, 9), (B, 9))
        order_id = self.waiting_order(bench, (A, 3), (B, 2))
        bench.clock.advance(5)
        before = bench.shelf()
        assert bench.emulator.cancel(order_id, basket(*units.items()), bench.clock.now())
        gone = units or {A: 3, B: 2}
        is_whole = gone == {A: 3, B: 2}
        order = bench.order(order_id)
        left = {A: 3 - gone.get(A, 0), B: 2 - gone.get(B, 0)}
        assert bench.live(order) == {sku: count for sku, count in left.items() if count}
        if not units:
            assert order.state is OrderState.CANCELED
        elif is_whole:  # bit by bit: some platforms say canceled, others that there is nothing left to do
            assert order.state in (OrderState.CANCELED, OrderState.COMPLETED)
        else:
            assert order.state is not OrderState.CANCELED
        assert order.updated_at == bench.clock.now()
        if bench.capabilities.restocks_on_cancel:
            before |= {(sku, bench.point): before[sku, bench.point] + count for sku, count in gone.items()}
        assert bench.shelf() == before

    @pytest.mark.requirement("R38")
    def test_goods_that_come_back_are_one_return(self) -> None:
        bench = self.bench()
        bench.stock((A, 9), (B, 9))
        order_id = self.order_that_left(bench, (A, 3), (B, 2))
        sold = bench.live(bench.order(order_id))
        given: dict[str, dict[str, int]] = {}
        for lines in (((A, 2),), ((B, 1), (A, 1))):
            bench.clock.advance(61)
            return_id = bench.emulator.give_back(order_id, basket(*lines), bench.point, bench.clock.now())
            given[return_id] = dict(lines)
        at = bench.clock.now()
        bench.clock.advance(600)
        first = bench.pull()
        again = bench.pull()
        returns = {one.external_id: one for one in bench.facts([*first, *again], Return) if one.lines}
        assert {one: returned_units(bench, [found]) for one, found in returns.items()} == given
        assert max(one.occurred_at for one in returns.values()) == at
        assert {(one.channel, one.order) for one in returns.values()} == {(bench.channel, order_id)}
        order = bench.order(order_id)
        listings = {line.external_id: line.listing_external_id for line in order.lines}
        for one in returns.values():
            for line in one.lines:
                assert line.order_line is not None
                assert listings[line.order_line] == line.listing_external_id
                assert line.stock_point == bench.point
        assert bench.live(order) == sold
        assert _units_put_back(bench, first) == {A: 3, B: 1}

    def test_a_blind_return_is_one_return_of_no_order(self) -> None:
        bench = self.bench()
        bench.stock((A, 9))
        try:
            return_id = bench.emulator.give_back(None, basket((A, 2)), bench.point, bench.clock.now())
        except ValueError:  # this platform knows none
            return
        bench.clock.advance(60)
        heard = bench.pull()
        [found] = bench.facts(heard, Return)
        assert (found.external_id, found.order, found.channel) == (return_id, None, bench.channel)
        assert returned_units(bench, [found]) == {A: 2}
        assert [line.order_line for line in found.lines] == [None]
        assert _units_put_back(bench, heard) == {A: 2}


def _order_events(bench: Bench, found: Iterable[RawDocument]) -> set[str]:
    return {one.event_id for one in found if bench.facts([one], Order)}


def _amounts_are_exact(bench: Bench, order: Order) -> None:
    """The channel's own amounts, to the digit."""
    assert order.channel == bench.channel
    for line in order.lines:
        price = PRICES[bench.sku_of(line.listing_external_id)]
        assert line.unit_price == price
        assert line.line_total == price * line.units
        assert line.tax_amount == (line.line_total / 6).quantize(Decimal("0.01"))
    goods = sum((line.line_total for line in order.lines), Decimal(0))
    assert order.discount_amount == 0
    assert order.total == goods + order.shipping_amount
    assert order.tax_included


def _units_put_back(bench: Bench, heard: list[RawDocument]) -> dict[str, int]:
    """Units that are on sale again, whichever way the platform tells it: by the return or by a movement."""
    units: Counter[str] = Counter()
    told = {one.external_id: one for one in bench.facts(heard, Return)}
    for one in told.values():
        for line in one.lines:
            units[bench.sku_of(line.listing_external_id)] += line.units if line.restocked else 0
    for moved in {one.external_id: one for one in bench.facts(heard, ChannelMovement)}.values():
        assert moved.kind is MovementKind.RETURNED
        units[bench.sku_of(moved.listing_external_id)] += moved.units
    return dict(units)
