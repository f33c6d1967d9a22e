"""A day of an invented merchant under virtual time: shoppers, tills, staff, thieves, a supplier, and what goes wrong.

The day ends when its faults have ended and the hub was given time to come to rest. Then the world's own truth is
compared with the hub's, and every invariant is checked.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from nervure.store.watched import WatchedDatabase
from schemas.base import counted
from simulation.agenda import Agenda
from simulation.catalogue import SUPPLIER
from simulation.faults import ALL, Fault, Weather, forecast
from simulation.hubs import has_come_to_rest
from simulation.platform import BasketLine, Purchase
from simulation.post import Post
from simulation.process import HubProcess
from simulation.shoppers import Demand
from simulation.staff import Staff
from simulation.template import Template
from simulation.trace import Trace
from simulation.verdict import Verdict, judge, look

LOOK_SECONDS = 300.0
"""So often one looks whether the hub has come to rest."""

MOST_REST = timedelta(hours=12)

REGRETTED, SENT_BACK = 0.25, 0.4
"""Shares of the purchases of which some units are canceled or come back, whichever is possible then, and of which some
come back once they have left."""
LOOK_AGAIN_SECONDS = 120.0
"""So often somebody who wants to send something back looks whether it has come."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens. `goods` are sold on all channels, some of them kits; `orders` come over `hours`.

    `rest_minutes`: how long the hub has at least to come to rest. In 35 each shelf is read back twice, so that what a
    platform lost without a word is found.
    """

    goods: int
    orders: int
    hours: float
    kit_share: float = 0.1
    rest_minutes: float = 35.0


@dataclass
class Outcome:
    """What became of one seed. `problems` empty: everything that must hold holds."""

    seed: int
    kinds: Collection[Fault]
    verdict: Verdict
    problems: list[str]
    counts: Counter[str]
    trace: Trace
    strikes: Counter[Fault] = field(default_factory=Counter)
    listings: int = 0
    lines: int = 0
    units_short: int = 0
    price_of_broken_promises: float = 0.0


@dataclass
class Day:
    """One seed's day."""

    seed: int
    size: Size
    template: Template
    database: WatchedDatabase
    faults: Collection[Fault] = ALL

    def __post_init__(self) -> None:
        self.agenda = Agenda(self.template.opens_at)
        self.opens_at = self.template.opens_at
        self.closes_at = self.opens_at + timedelta(hours=self.size.hours)
        names = sorted(account.name for account in self.template.world(self.agenda, {}).accounts.values())
        plan = forecast(self.seed, self.faults, [*names, "supplier"], opens_at=self.opens_at, ends_at=self.closes_at)
        self.weather = Weather(self.seed, plan)
        self.world = self.template.world(self.agenda, plan.ahead)
        self.trace = Trace(self.agenda)
        self.hub = HubProcess(self.world, self.agenda, self.database, self.weather, self.trace)
        self._chance = random.Random(f"day {self.seed}")
        self.staff = Staff(self.world, self.agenda, self.hub, self.trace, self._chance)
        self.post = Post(self.world, self.agenda, self.weather, self.hub, self.trace)
        self.hub.wires.on_answer = self.post.soon
        self._given_up: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
        self._prices = {good.sku: good.entry.price for good in self.world.goods}

    def run(self) -> Outcome:
        """Plays the day and judges it."""
        self.trace.note("world", f"seed {self.seed}: {', '.join(self.weather.plan.kinds) or 'no faults'}")
        self.hub.start()
        self._plan_shoppers()
        self.staff.plan([self._moment() for _ in range(3 + self.size.orders // 6)], self.closes_at)
        self._plan_disturbances()
        self.post.start()
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
            self.staff.hand_over(purchase.lines, self.world.points_of(name, point)[0])
        self.post.soon(name)
        if self._chance.random() < REGRETTED:
            seconds = self._chance.uniform(30, self.size.hours * 2700)
            self.agenda.after(seconds, partial(self._take_back, name, purchase))
        if self._chance.random() < SENT_BACK:
            self.agenda.after(LOOK_AGAIN_SECONDS, partial(self._send_back, name, purchase))

    def _send_back(self, name: str, purchase: Purchase) -> None:
        """Some units come back as soon as they have left."""
        if self.world.accounts[name].emulator.shipped().get(purchase.order_id or "", 0):
            self._take_back(name, purchase)
        elif self.agenda.now() < self.closes_at:
            self.agenda.after(LOOK_AGAIN_SECONDS, partial(self._send_back, name, purchase))

    def _take_back(self, name: str, purchase: Purchase) -> None:
        """Some units are canceled, or come back where they have left."""
        if self.agenda.now() > self.closes_at:
            return
        given_up = self._given_up[name, purchase.order_id]
        kept = [line for line in purchase.lines if line.units > given_up[line.sku]]
        if not kept:
            return
        line = self._chance.choice(kept)
        units = self._chance.randint(1, line.units - given_up[line.sku])
        given_up[line.sku] += units
        back = [BasketLine(line.sku, units)]
        before = len(self.world.come_backs)
        assert purchase.order_id is not None
        self.world.take_back(name, purchase.order_id, back, purchase.stock_point)
        for come in self.world.come_backs[before:]:
            self.trace.note(name, f"{come.kind}: {_words(come.lines)}")
            if come.kind == "returned":
                self.staff.take_in(come.lines, self.world.points_of(name, come.stock_point)[0])
        self.post.soon(name)

    # -- what goes wrong beside the wire -----------------------------------------------------------------------

    def _plan_disturbances(self) -> None:
        edited = [name for name in sorted(self.world.accounts) if name != "tills"]
        for _ in range(2):
            name = self._chance.choice(edited)
            sku, units = self._chance.choice(sorted(self._listed[name])), self._chance.randrange(6)
            # Early: what is edited is found when the shelf is read back.
            moment = self.opens_at + (self._moment() - self.opens_at) / 2
            self.agenda.at(moment, partial(self._edit, name, sku, units))
        kept = sorted(sku for sku, place in self.world.stock if place == SUPPLIER.code)
        for _ in range(3):
            if kept:
                sku, units = self._chance.choice(kept), self._chance.randint(1, 3)
                self.agenda.at(self._moment(), partial(self._sell_elsewhere, sku, units))

    def _edit(self, name: str, sku: str, units: int) -> None:
        """Somebody types another number into the platform's own pages."""
        point = next(iter(self.world.accounts[name].stock_points))
        self.world.accounts[name].emulator.set_shelf(sku, point, units, self.world.now_at(name))
        self.trace.note(name, f"{sku} is set to {units} by hand")
        self.post.soon(name)

    def _sell_elsewhere(self, sku: str, units: int) -> None:
        got = self.world.supplier.sell(sku, units, self.world.now_at("supplier"))
        self.trace.note("supplier", f"sells {got} {sku} to somebody else")

    # -- the end -----------------------------------------------------------------------------------------------

    def _rest(self) -> bool:
        """Lets the hub come to rest; False: it did not within its time."""
        self.trace.note("world", "the doors are closed, the faults have ended")
        while self.agenda.now() < self.closes_at + MOST_REST:
            self.agenda.pass_until(self.agenda.now() + timedelta(seconds=LOOK_SECONDS))
            if self.agenda.now() < self.closes_at + timedelta(minutes=self.size.rest_minutes):
                continue
            if (
                self.staff.is_done
                and self.hub.hub is not None
                and has_come_to_rest(self.hub.hub, self.world, self.closes_at)
            ):
                return True
        return False

    def _judge(self, *, rested: bool) -> Outcome:
        found = look(self.database, self.agenda.now())
        self.hub.counts["statements"] = self.database.statements
        verdict = judge(self.world.record(self.hub.counts["webhooks"]), found, self.staff.stolen)
        problems = list(self.hub.failures)
        if not rested:
            problems.append(f"the hub did not come to rest within {MOST_REST.total_seconds() / 3600:.0f} h")
        if not verdict.holds:
            problems += verdict.details
        if verdict.dead_letters:
            problems.append(f"{counted(verdict.dead_letters, 'document')} could not be handled")
        short = [line for line in found.lines if line.units_short]
        outcome = Outcome(self.seed, self.weather.plan.kinds, verdict, problems, self.hub.counts, self.trace)
        outcome.strikes = self.weather.struck
        outcome.lines = len(found.lines)
        outcome.listings = sum(len(skus) for skus in self._listed.values())
        outcome.units_short = sum(line.units_short for line in short)
        outcome.price_of_broken_promises = float(sum(line.units_short * self._prices[line.sku] for line in short))
        self.trace.note("world", "holds" if not problems else f"{len(problems)} problems, first {problems[0]}")
        return outcome


def _words(lines: Sequence[BasketLine]) -> str:
    return ", ".join(f"{line.units} {line.sku}" for line in lines) or "nothing"
