"""What the hub tells about orders arrives, once."""

from connectors.errors import RefusedError
from schemas.orders import Order, OrderState
from tests.connectors.bench import A, B, Bench, Laws, newest


class PushLaws(Laws):
    def test_a_shipment_is_known_and_twice_is_once(self) -> None:
        bench, order = self._waiting(self.paid_order)
        shelf = bench.shelf()
        for _ in range(2):
            bench.hub.push_shipment(bench.shipment(order))
            bench.clock.advance(60)
            assert dict(bench.emulator.shipped()) == {order.external_id: 5}
        told = bench.order(order.external_id)
        assert told.state is OrderState.COMPLETED
        assert bench.live(told) == {A: 3, B: 2}
        assert bench.shelf() == shelf  # what was sold left the number when it was sold

    def test_two_parcels_make_the_whole_order(self) -> None:
        bench, order = self._waiting(self.paid_order)
        [line_a, line_b] = sorted(order.lines, key=lambda line: -line.units)
        first = bench.shipment(order, {line_a.external_id: 1}, number=1)
        second = bench.shipment(order, {line_a.external_id: 2, line_b.external_id: 2}, number=2)
        for parcel, units in ((first, (0, 1)), (first, (0, 1)), (second, (5,)), (second, (5,)), (first, (5,))):
            bench.hub.push_shipment(parcel)
            bench.clock.advance(60)
            assert bench.emulator.shipped().get(order.external_id, 0) in units
        assert bench.order(order.external_id).state is OrderState.COMPLETED

    def test_an_unknown_order_is_refused(self) -> None:
        bench, order = self._waiting(self.paid_order)
        other = order.model_copy(update={"external_id": "99999999"})
        for tell in (
            lambda: bench.hub.push_shipment(bench.shipment(other)),
            lambda: bench.hub.push_cancellation("99999999", {line.external_id: 1 for line in order.lines}),
            lambda: bench.hub.accept_order("99999999", {line.external_id: True for line in order.lines}),
        ):
            assert _is_refused(tell)
        assert bench.emulator.shipped() == {}

    def test_an_order_waits_until_every_line_is_accepted(self) -> None:
        bench, order = self._waiting(lambda bench, *lines: bench.buy(*lines))
        if not bench.capabilities.must_accept_orders:
            return
        shelf = bench.shelf()
        for _ in range(2):
            bench.hub.accept_order(order.external_id, {line.external_id: True for line in order.lines})
        bench.clock.advance(60)
        assert bench.order(order.external_id).state is OrderState.OPEN
        assert bench.shelf() == shelf
        # Decided otherwise later is refused and changes nothing.
        assert _is_refused(
            lambda: bench.hub.accept_order(order.external_id, {line.external_id: False for line in order.lines})
        )
        assert bench.live(bench.order(order.external_id)) == {A: 3, B: 2}

    def test_a_refused_line_is_canceled(self) -> None:
        bench, order = self._waiting(lambda bench, *lines: bench.buy(*lines))
        if not bench.capabilities.must_accept_orders:
            return
        is_a = {line.external_id: line.units == 3 for line in order.lines}
        for _ in range(2):
            bench.hub.accept_order(order.external_id, is_a)
        bench.clock.advance(60)
        told = bench.order(order.external_id)
        assert (told.state, bench.live(told)) == (OrderState.OPEN, {A: 3})
        restocked = 9 if bench.capabilities.restocks_on_cancel else 7
        assert (bench.units(A), bench.units(B)) == (6, restocked)

    def test_a_cancellation_of_all_is_once_or_refused(self) -> None:
        for make in (self.paid_order, self.waiting_order):
            bench, order = self._waiting(make)
            everything = {line.external_id: line.units for line in order.lines}
            self._cancel(bench, order, everything, {})

    def test_a_cancellation_of_some_units_is_once_or_refused(self) -> None:
        for make in (self.paid_order, self.waiting_order):
            bench, order = self._waiting(make)
            [line] = [line for line in order.lines if line.units == 3]
            self._cancel(bench, order, {line.external_id: 1}, {A: 2, B: 2})

    def _cancel(self, bench: Bench, order: Order, units: dict[str, int], left: dict[str, int]) -> None:
        """Tells it twice: both times it is taken, or both times refused with nothing changed."""
        is_refused = _is_refused(lambda: bench.hub.push_cancellation(order.external_id, units))
        bench.clock.advance(60)
        once = bench.order(order.external_id)
        shelf = bench.shelf()
        assert bench.live(once) == ({A: 3, B: 2} if is_refused else left)
        if not left and not is_refused:
            assert once.state is OrderState.CANCELED
        assert _is_refused(lambda: bench.hub.push_cancellation(order.external_id, units)) is is_refused
        bench.clock.advance(60)
        assert bench.live(bench.order(order.external_id)) == bench.live(once)
        assert bench.shelf() == shelf

    def test_what_has_left_cannot_be_canceled(self) -> None:
        bench, order = self._waiting(self.order_that_left)
        assert _is_refused(
            lambda: bench.hub.push_cancellation(order.external_id, {line.external_id: 1 for line in order.lines})
        )
        bench.clock.advance(60)
        assert bench.live(bench.order(order.external_id)) == {A: 3, B: 2}

    def _waiting(self, make: object) -> tuple[Bench, Order]:
        assert callable(make)
        bench = self.bench()
        bench.stock((A, 9), (B, 9))
        order_id = str(make(bench, (A, 3), (B, 2)))
        return bench, newest(bench.facts(bench.pull(), Order))[order_id]


def _is_refused(tell: object) -> bool:
    assert callable(tell)
    try:
        tell()
    except RefusedError as error:
        return str(error) != ""
    return False
