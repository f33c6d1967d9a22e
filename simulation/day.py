"""A day of an invented merchant under virtual time: shoppers, tills, staff, thieves, a supplier, and what goes wrong.

The day ends when its faults have ended and the hub was given time to come to rest. Then the world's own truth is
compared with the hub's, and every invariant is checked.
"""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nervure.operations.counts import CountRefusedError, Entered, close, confirm, enter, open_count
from nervure.operations.hub import Hub
from nervure.operations.staff import receive, ship_fulfillment
from nervure.operations.webhooks import WebhookRefusedError, take_webhook
from nervure.store.audit import AuditStore
from nervure.store.reports import ReportStore
from schemas.fulfillment import Parcel
from simulation.agenda import Agenda
from simulation.catalogue import OWN_PLACES, STORES, SUPPLIER, WAREHOUSE
from simulation.faults import ALL, Fault, Weather, forecast
from simulation.hubs import has_come_to_rest
from simulation.mortal import HubProcess, MortalDatabase
from simulation.platform import BasketLine, Delivery, Purchase
from simulation.shoppers import Demand
from simulation.template import Template
from simulation.trace import Trace
from simulation.verdict import Verdict, judge, look

ROUND_SECONDS = 30.0
"""So often the world does what platforms do by themselves, and carries webhooks that are offered again."""

STAFF_SECONDS = 600.0
AGAIN_SECONDS = 120.0
"""When the hub is down, people try again this late."""

LEAST_REST = timedelta(minutes=40)
"""Two readings of every shelf fit in: what a platform lost without a word is found by them."""

MOST_REST = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens. `goods` are sold on all channels, `orders` come over `hours`."""

    goods: int
    orders: int
    hours: float


@dataclass
class Outcome:
    """What became of one seed. `problems` empty: everything that must hold holds."""

    seed: int
    kinds: Collection[Fault]
    verdict: Verdict
    problems: list[str]
    counts: Counter[str]
    trace: Trace
    listings: int = 0
    units_short: int = 0
    price_of_broken_promises: float = 0.0


@dataclass
class Day:
    """One seed's day."""

    seed: int
    size: Size
    template: Template
    database: MortalDatabase
    faults: Collection[Fault] = ALL
    stolen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _left: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.agenda = Agenda(self.template.opens_at)
        self.opens_at = self.template.opens_at
        self.closes_at = self.opens_at + timedelta(hours=self.size.hours)
        names = sorted(account.name for account in self.template.world(self.agenda, {}).accounts.values())
        plan = forecast(
            self.seed, self.faults, [*names, "supplier"], opens_at=self.opens_at, ends_at=self.closes_at
        )
        self.weather = Weather(self.seed, plan)
        self.world = self.template.world(self.agenda, plan.ahead)
        self.trace = Trace(self.agenda)
        self.hub = HubProcess(self.world, self.agenda, self.database, self.weather, self.trace)
        self.hub.on_answer = self._mail_soon
        self.there: Counter[tuple[str, str]] = Counter(
            {key: units for key, units in self.world.stock.items() if key[1] != SUPPLIER.code}
        )
        self._chance = random.Random(f"day {self.seed}")
        self._mail_due: dict[str, datetime] = {}
        self._prices = {good.sku: good.entry.price for good in self.world.goods}

    def run(self) -> Outcome:
        """Plays the day and judges it."""
        self.trace.note("world", f"seed {self.seed}: {', '.join(self.weather.plan.kinds) or 'no faults'}")
        self.hub.start()
        self._plan_shoppers()
        self._plan_staff()
        self._plan_disturbances()
        self.agenda.after(ROUND_SECONDS, self._round)
        self.agenda.pass_until(self.closes_at)
        rested = self._rest()
        return self._judge(rested=rested)

    # -- shoppers ----------------------------------------------------------------------------------------------

    def _moment(self) -> datetime:
        """Some moment of the day."""
        return self.opens_at + timedelta(seconds=self._chance.uniform(0, self.size.hours * 3600))

    def _plan_shoppers(self) -> None:
        points = {name: list(account.stock_points) for name, account in self.world.accounts.items()}
        self._demand = Demand(self.world.goods, points, self.seed)
        self._listed = {
            name: {sku for sku, _ in account.emulator.shelf()} for name, account in self.world.accounts.items()
        }
        for moment in sorted(self._moment() for _ in range(self.size.orders)):
            self.agenda.at(moment, self._buy)

    def _buy(self) -> None:
        name, point, wanted, shopper = self._demand.next()
        basket = [line for line in wanted if line.sku in self._listed[name]]
        if not basket:
            return
        purchase = self.world.buy(name, basket, shopper, point)
        self.trace.note(name, f"sells {_words(purchase.lines)}, refuses {_words(purchase.refused)}")
        if purchase.order_id is None:
            return
        if name == "tills":
            place = self.world.points_of(name, point)[0]
            for line in purchase.lines:
                self.there[line.sku, place] -= line.units
        self._mail_soon(name)
        if self._chance.random() < 0.15:
            self.agenda.after(self._chance.uniform(30, 5400), lambda: self._take_back(name, purchase))

    def _take_back(self, name: str, purchase: Purchase) -> None:
        """Some units are canceled, or come back where they have left."""
        if self.agenda.now() > self.closes_at:
            return
        line = self._chance.choice(purchase.lines)
        back = [BasketLine(line.sku, self._chance.randint(1, line.units))]
        before = len(self.world.come_backs)
        assert purchase.order_id is not None
        self.world.take_back(name, purchase.order_id, back, purchase.stock_point)
        for come in self.world.come_backs[before:]:
            self.trace.note(name, f"{come.kind}: {_words(come.lines)}")
            if come.kind == "returned":
                self._arrive(come.lines, self.world.points_of(name, come.stock_point)[0])
        self._mail_soon(name)

    def _arrive(self, lines: Sequence[BasketLine], place: str) -> None:
        parts = {good.sku: good.parts or {good.sku: 1} for good in self.world.goods}
        for line in lines:
            for part, units in parts[line.sku].items():
                self.there[part, place] += units * line.units

    # -- staff -------------------------------------------------------------------------------------------------

    def _plan_staff(self) -> None:
        self.agenda.after(STAFF_SECONDS, self._ship)
        simple = [good.sku for good in self.world.goods if not good.parts and not good.supplier_only]
        for number in range(max(1, self.size.orders // 12)):
            sku, units = self._chance.choice(simple), self._chance.randint(1, 6)
            place = self._chance.choice(OWN_PLACES).code
            self.agenda.at(self._moment(), lambda n=number, s=sku, p=place, u=units: self._deliver(n, s, p, u))
        places = (WAREHOUSE,) if "tills" in self.weather.plan.ahead else OWN_PLACES
        for number in range(max(1, self.size.orders // 20)):
            sku, place = self._chance.choice(simple), self._chance.choice(places).code
            self.agenda.at(self._moment(), lambda n=number, s=sku, p=place: self._steal(n, s, p))

    def _ship(self) -> None:
        """What has waited long enough leaves; after closing time, everything."""
        is_over = self.agenda.now() >= self.closes_at
        self.agenda.after(STAFF_SECONDS, self._ship)
        before = self.agenda.now() - timedelta(seconds=0 if is_over else self._chance.uniform(60, 3600))
        due = self.hub.call(lambda hub: _fulfillments(hub, before)) or []
        for number in due:
            lines = self.hub.call(lambda hub, n=number: _lines_of(hub, n))
            parcel = Parcel(carrier="Colissimo", tracking_number=f"6A{number:011d}")
            left = self.hub.call(lambda hub, n=number, p=parcel: ship_fulfillment(hub, n, parcel=p))
            if lines is None or left is None:
                # The box stands there packed until the computer works again; had it been booked, it is gone then.
                self.agenda.after(AGAIN_SECONDS, lambda n=number: self._look_again(n))
                return
            if left:
                self._leave(number, lines)

    def _look_again(self, number: int) -> None:
        lines = self.hub.call(lambda hub: _lines_of(hub, number))
        if lines is None:
            self.agenda.after(AGAIN_SECONDS, lambda: self._look_again(number))
        elif lines and lines[0][3] == "shipped" and number not in self._left:
            self._leave(number, lines)

    def _leave(self, number: int, lines: Sequence[tuple[str, str, int, str]]) -> None:
        self._left.add(number)
        parts = {good.sku: good.parts or {good.sku: 1} for good in self.world.goods}
        for sku, place, units, _ in lines:
            for part, each in parts[sku].items():
                self.there[part, place] -= units * each
        self.trace.note("staff", f"ships {number}: {', '.join(f'{units} {sku}' for sku, _, units, _ in lines)}")

    def _deliver(self, number: int, sku: str, place: str, units: int) -> None:
        """Goods come in; who cannot book them tries again with the same paper."""
        booked = self.hub.call(lambda hub: receive(hub, sku, place, units, document=f"delivery-{number}"))
        if booked is None:
            self.agenda.after(AGAIN_SECONDS, lambda: self._deliver(number, sku, place, units))
            return
        self.world.stock[sku, place] = self.world.stock.get((sku, place), 0) + units
        self.there[sku, place] += units
        self.trace.note("staff", f"{units} {sku} came to {place}")

    def _steal(self, number: int, sku: str, place: str) -> None:
        if self.there[sku, place] > 0:
            self.there[sku, place] -= 1
            self.stolen[sku, place] -= 1
            self.trace.note("thief", f"takes {sku} at {place}")
        self.agenda.after(self._chance.uniform(60, 1800), lambda: self._count(f"count-{number}", sku, place))

    def _count(self, name: str, sku: str, place: str) -> None:
        """Somebody counts, enters, and confirms; who is interrupted begins again with a new sheet."""
        units = max(self.there[sku, place], 0)

        def work(hub: Hub) -> bool:
            with suppress(CountRefusedError):
                open_count(hub, name, place, [sku])
                enter(hub, name, Entered(sku, units, by="Ada"))
                confirm(hub, name, "Blaise")
                close(hub, name)
            return True

        if self.hub.call(work) is None:
            self.agenda.after(AGAIN_SECONDS, lambda: self._count(f"{name}'", sku, place))
            return
        self.trace.note("staff", f"counts {units} {sku} at {place}")

    # -- what goes wrong beside the wire -----------------------------------------------------------------------

    def _plan_disturbances(self) -> None:
        edited = [name for name in sorted(self.world.accounts) if name != "tills"]
        for _ in range(2):
            name = self._chance.choice(edited)
            sku, units = self._chance.choice(sorted(self._listed[name])), self._chance.randrange(6)
            self.agenda.at(self._moment(), lambda n=name, s=sku, u=units: self._edit(n, s, u))
        kept = sorted(sku for sku, place in self.world.stock if place == SUPPLIER.code)
        for _ in range(3):
            if kept:
                sku, units = self._chance.choice(kept), self._chance.randint(1, 3)
                self.agenda.at(self._moment(), lambda s=sku, u=units: self._sell_elsewhere(s, u))

    def _edit(self, name: str, sku: str, units: int) -> None:
        """Somebody types another number into the platform's own pages."""
        point = next(iter(self.world.accounts[name].stock_points))
        self.world.accounts[name].emulator.set_shelf(sku, point, units, self.world.now_at(name))
        self.trace.note(name, f"{sku} is set to {units} by hand")
        self._mail_soon(name)

    def _sell_elsewhere(self, sku: str, units: int) -> None:
        got = self.world.supplier.sell(sku, units, self.world.now_at("supplier"))
        self.trace.note("supplier", f"sells {got} {sku} to somebody else")

    # -- webhooks ----------------------------------------------------------------------------------------------

    def _round(self) -> None:
        self.agenda.after(ROUND_SECONDS, self._round)
        self.world.advance()
        for name, account in self.world.accounts.items():
            if account.has_webhooks:
                self._carry(name)

    def _mail_soon(self, name: str) -> None:
        """A platform has something to tell: it is on its way in a moment."""
        if name not in self.world.accounts or not self.world.accounts[name].has_webhooks:
            return
        now = self.agenda.now()
        if self._mail_due.get(name, now) > now:
            return
        seconds = self.weather.uniform(0.2, 2.0)
        self._mail_due[name] = now + timedelta(seconds=seconds)
        self.agenda.after(seconds, lambda: self._carry(name))

    def _carry(self, name: str) -> None:
        now = self.agenda.now()
        due = self.world.accounts[name].emulator.due_webhooks(self.world.now_at(name))
        for delivery in due:
            if self.weather.strikes(Fault.LOST, now):
                self.trace.note(name, f"webhook {delivery.delivery_id} is lost")
                self._told(name, delivery, 200)
            elif self.weather.strikes(Fault.LATE, now):
                self._told(name, delivery, 200)
                self.agenda.after(self.weather.uniform(60, 7200), lambda d=delivery: self._bring(name, d))
            elif self.weather.strikes(Fault.REORDERED, now):
                self._told(name, delivery, 200)
                self.agenda.after(self.weather.uniform(0.1, 20), lambda d=delivery: self._bring(name, d))
            else:
                self._told(name, delivery, self._bring(name, delivery))
                if self.weather.strikes(Fault.DOUBLED, now):
                    self.agenda.after(self.weather.uniform(0, 600), lambda d=delivery: self._bring(name, d))

    def _told(self, name: str, delivery: Delivery, status: int) -> None:
        self.world.accounts[name].emulator.delivered(delivery.delivery_id, status, self.world.now_at(name))

    def _bring(self, name: str, delivery: Delivery) -> int:
        """Hands a webhook to the hub; answers its status, 0 where nobody answers."""

        def work(hub: Hub) -> int:
            try:
                take_webhook(hub, name, delivery.request.headers, delivery.request.body)
            except WebhookRefusedError as error:
                return error.status
            return 200

        status = self.hub.call(work) or 0
        self.hub.counts["webhooks"] += 1
        self.trace.note(name, f"webhook {delivery.delivery_id}: {status}")
        return status

    # -- the end -----------------------------------------------------------------------------------------------

    def _rest(self) -> bool:
        """Lets the hub come to rest; False: it did not within its time."""
        self.trace.note("world", "the doors are closed, the faults have ended")
        while self.agenda.now() < self.closes_at + MOST_REST:
            self.agenda.pass_until(self.agenda.now() + timedelta(seconds=STAFF_SECONDS / 2))
            if self.agenda.now() < self.closes_at + LEAST_REST:
                continue
            if self.hub.hub is not None and has_come_to_rest(self.hub.hub, self.world, self.closes_at):
                return True
        return False

    def _judge(self, *, rested: bool) -> Outcome:
        found = look(self.database, self.agenda.now())
        verdict = judge(self.world.record(self.hub.counts["webhooks"]), found, self.stolen)
        problems = list(self.hub.failures)
        if not rested:
            problems.append(f"the hub did not come to rest within {MOST_REST.total_seconds() / 3600:.0f} h")
        if not verdict.holds:
            problems += verdict.details
        if verdict.dead_letters:
            problems.append(f"{verdict.dead_letters} documents could not be handled")
        short = [line for line in found.lines if line.units_short]
        outcome = Outcome(self.seed, self.weather.plan.kinds, verdict, problems, self.hub.counts, self.trace)
        outcome.listings = sum(len(skus) for skus in self._listed.values())
        outcome.units_short = sum(line.units_short for line in short)
        outcome.price_of_broken_promises = float(sum(line.units_short * self._prices[line.sku] for line in short))
        self.trace.note("world", "holds" if not problems else f"{len(problems)} problems, first {problems[0]}")
        return outcome


def _words(lines: Sequence[BasketLine]) -> str:
    return ", ".join(f"{line.units} {line.sku}" for line in lines) or "nothing"


def _fulfillments(hub: Hub, before: datetime) -> list[int]:
    with hub.database.read() as connection:
        return ReportStore(connection, hub.clock.now()).fulfillments_before(before)


def _lines_of(hub: Hub, number: int) -> list[tuple[str, str, int, str]]:
    """Sku, location, units and state of one fulfillment order."""
    with hub.database.read() as connection:
        return [
            (one.sku, one.location, one.units, one.state)
            for one in AuditStore(connection).served()
            if one.fulfillment_order_id == number
        ]
