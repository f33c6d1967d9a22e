"""What could become of units that cannot be served, as it stands now: from the one availability, and by routing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from nervure.inventory.availability import Parts, PlaceStock, available_at
from nervure.inventory.incoming import future_availability
from nervure.inventory.stock import Place
from nervure.operations.hub import Hub
from nervure.orders.options import Option, in_order, kind_of, price_of, said_due
from nervure.orders.reservations import Ask
from nervure.orders.routing import Candidate, Wanted, route
from nervure.store.backorders import BackorderStore
from nervure.store.candidates import CandidateStore
from nervure.store.database import Connection
from nervure.store.incoming import IncomingStore
from nervure.store.routing import RoutingStore
from nervure.store.shortfalls import Short, ShortfallStore
from nervure.store.stock import StockStore
from nervure.store.substitution import Sibling, SubstitutionStore
from schemas.base import counted
from schemas.orders import DeliveryMethod
from schemas.substitution import OptionKind, PriceRule

EURO = "EUR"


def find_options(hub: Hub, connection: Connection, short: Short) -> list[Option]:
    """Every option for all missing units of a line, in the order in which they are offered. Nothing is held for it."""
    look = _Look.at(hub, connection, short)
    return in_order([*look.substitutes(), *look.pickups(), *look.later(), look.cancellation()])


@dataclass
class _Look:
    """What is asked of the stores for one line, at one moment."""

    short: Short
    hub: Hub
    connection: Connection
    stock: StockStore
    routing: RoutingStore
    parts: Parts
    eligible: CandidateStore
    candidates: Sequence[Candidate]

    @classmethod
    def at(cls, hub: Hub, connection: Connection, short: Short) -> "_Look":
        now = hub.clock.now()
        stock, routing = StockStore(connection, now), RoutingStore(connection, now)
        eligible = CandidateStore(connection, now, routing)
        parts = stock.parts_of([short.item_id])[short.item_id]
        candidates = eligible.of_order(short.order_id, routing.goods_of(parts))
        return cls(short, hub, connection, stock, routing, parts, eligible, candidates)

    def there(self, *parts: Parts) -> dict[Place, PlaceStock]:
        return self.stock.at_items({part for one in parts for part in one})

    def substitutes(self) -> Iterator[Option]:
        """Siblings that the order's own locations have in full, and that its channel sells."""
        siblings = SubstitutionStore(self.connection).siblings(self.short.item_id)
        ids = {one.item_id for one in siblings}
        if not ids:
            return
        listed = ShortfallStore(self.connection, self.hub.clock.now()).listed(self.short.question.channel_id, ids)
        parts_of = self.stock.parts_of(ids)
        parts = {part for made_of in parts_of.values() for part in made_of}
        known = self.routing.goods_of(parts | ids)
        candidates = self.eligible.of_order(self.short.order_id, {part: known[part] for part in parts})
        there = self.there(*parts_of.values())
        for one in siblings:
            if one.item_id in listed:
                wanted = Wanted(self.short.line_id, self.short.units, parts_of[one.item_id], known[one.item_id].grams)
                option = self._substitute(one, wanted, candidates, there)
                if option is not None:
                    yield replace(option, listing_id=listed[one.item_id])

    def _substitute(
        self, one: Sibling, wanted: Wanted, candidates: Sequence[Candidate], there: dict[Place, PlaceStock]
    ) -> Option | None:
        priced = price_of(one.rule, one.price, one.instead_of_price, self.short.units)
        if priced is None or (one.rule is PriceRule.DIFFERENCE and self.short.paid.currency != EURO):
            return None
        goal = self.short.goal
        free = {place: stock.available_to_promise for place, stock in there.items()}
        may_split = goal.method is DeliveryMethod.SHIP
        prices = self.routing.prices({place.item_id for place in there})
        plan = route([wanted], candidates, free, may_split=may_split, costs=self.routing.costs(), prices=prices)
        if plan.missing:
            return None
        by_id = {candidate.location_id: candidate for candidate in candidates}
        journeys = self.routing.journeys([pick.location_id for pick in plan.picks], goal)
        places = ", ".join(f"{pick.units} in {_named(by_id[pick.location_id])}" for pick in plan.picks)
        due, said = priced
        return Option(
            kind_of(one.climb),
            one.sku,
            f"{one.sku} by group {one.group}: {places}; {said}",
            due,
            tuple(Ask(one.item_id, pick.location_id, pick.units) for pick in plan.picks),
            item_id=one.item_id,
            on=max((one.arrives_on for one in journeys.values()), default=None),
        )

    def pickups(self) -> Iterator[Option]:
        """The nearest place of ours that has all of it, for a customer who would come."""
        short = self.short
        is_pickup = short.goal.method is DeliveryMethod.PICKUP
        near = self.candidates[0].location_id if is_pickup and self.candidates else None
        parts = self.parts
        there, standing = self.there(parts), self.eligible.standings(short.order_id)
        declined = {place for place, one in standing.items() if one.out or one.barred.keys() & parts.keys()}
        goal = replace(short.goal, goods=self.routing.goods_of(parts))
        for one in self.routing.pickup_places(goal, near):
            if one.location_id in declined or one.terms.barred.keys() & parts.keys():
                continue
            if available_at(parts, one.location_id, there) < short.units + one.terms.keep_units:
                continue
            journeys = self.routing.journeys([one.location_id], replace(short.goal, method=DeliveryMethod.PICKUP))
            yield Option(
                OptionKind.PICKUP,
                one.code,
                f"the nearest place that has it: {short.units} in {_named(one)}, to be fetched there",
                short.paid.share(0),
                (Ask(short.item_id, one.location_id, short.units),),
                location_id=one.location_id,
                on=journeys[one.location_id].leaves_on,
            )
            return

    def later(self) -> Iterator[Option]:
        """The first day on which the units can be promised: of what comes in, after who waits longer; or by policy."""
        coming, promised = self._day_of_arrival(), self._day_by_policy()
        day = min((one for one in (coming, promised) if one is not None), default=None)
        if day is None:
            return
        why = (
            "is ordered or on its way, after all who wait longer" if day == coming else "the policy lets be sold beyond"
        )
        nothing = self.short.paid.share(0)
        yield Option(OptionKind.LATER, day.isoformat(), f"by {day} out of what {why}", nothing, on=day)

    def _day_of_arrival(self) -> date | None:
        short, store = self.short, IncomingStore(self.connection, self.hub.clock.now())
        parts = self.parts
        at = [
            one.location_id
            for one in self.candidates
            if one.terms.dropped is None and not one.terms.barred.keys() & parts.keys()
        ]
        coming = [one for one in store.incoming(parts.keys()) if one.place.location_id in at]
        owed = store.owed(parts.keys(), at, before=(short.order_id, short.line_id))
        steps = future_availability(parts, at, self.there(parts), coming, owed=owed)
        return next((step.on for step in steps if step.on is not None and step.units >= short.units), None)

    def _day_by_policy(self) -> date | None:
        store = BackorderStore(self.connection, self.hub.clock.now())
        allowance = store.allowance(self.short.line_id, locked=False)
        return allowance.promised_on if allowance is not None and allowance.units >= self.short.units else None

    def cancellation(self) -> Option:
        paid = self.short.paid
        due = -paid.share(self.short.units)
        units = f"{self.short.units} of {counted(paid.units, 'unit')} of the line"
        text = f"{units} {'is' if self.short.units == 1 else 'are'} canceled; {said_due(due, paid.currency)}"
        return Option(OptionKind.CANCEL, "", text, due)


def _named(one: Candidate) -> str:
    return one.code if one.distance_km is None else f"{one.code}, {one.distance_km:.0f} km away"
