"""The people at the merchant's places: they pack, unpack and count; and somebody steals.

They know what really lies there. They ask the hub as the command line and the pages do. When it is down, or dies over
their question, they ask again.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from nervure.operations.counts import CountRefusedError, Entered, close, confirm, enter, open_count
from nervure.operations.hub import Hub
from nervure.operations.staff import receive, ship_fulfillment
from nervure.store.audit import AuditStore
from nervure.store.reports import ReportStore
from schemas.fulfillment import Parcel
from simulation.agenda import Agenda
from simulation.catalogue import OWN_PLACES, SUPPLIER, WAREHOUSE
from simulation.platform import BasketLine
from simulation.process import HubProcess
from simulation.trace import Trace
from simulation.world import World

ROUND_SECONDS = 300.0
AGAIN_SECONDS = 120.0
"""When the hub is down, people try again this late."""
LONGEST_WAIT_SECONDS = 900.0
TWICE = 0.2
"""How often somebody does again at once what was just done: presses a button twice, enters a paper twice."""


class Packed(NamedTuple):
    """One line of what a place packs."""

    sku: str
    place: str
    units: int
    state: str


class Staff:
    """Everybody who moves goods. `there`: units that lie at each (sku, place); `stolen`: those that nobody booked."""

    def __init__(self, world: World, agenda: Agenda, hub: HubProcess, trace: Trace, chance: random.Random) -> None:
        self.there: Counter[tuple[str, str]] = Counter(
            {key: units for key, units in world.stock.items() if key[1] != SUPPLIER.code}
        )
        self.stolen: Counter[tuple[str, str]] = Counter()
        self._world = world
        self._agenda = agenda
        self._hub = hub
        self._trace = trace
        self._chance = chance
        self._parts: Mapping[str, Mapping[str, int]] = {good.sku: good.parts or {good.sku: 1} for good in world.goods}
        # Who counts beside a till whose clock is wrong cannot say what was sold before the count.
        counted = (WAREHOUSE,) if "tills" in world.ahead else OWN_PLACES
        self._counted = [place.code for place in counted]
        self._left: set[int] = set()
        self._to_do = 0
        self._closes_at = agenda.now()

    def plan(self, moments: Sequence[datetime], closes_at: datetime) -> None:
        """Two deliveries for each theft, at these moments, and rounds of packing."""
        self._closes_at = closes_at
        self._agenda.after(ROUND_SECONDS, self._ship)
        simple = [good.sku for good in self._world.goods if not good.parts and not good.supplier_only]
        self._to_do = len(moments)
        # Half of the deliveries are of what few are left of: it was ordered for that.
        scarce = sorted(simple, key=lambda one: (self._world.stock.get((one, WAREHOUSE.code), 0), one))[
            : len(simple) // 3
        ]
        for number, moment in enumerate(moments):
            sku = self._chance.choice(scarce or simple if number % 2 else simple)
            if number % 3 == 2:
                self._agenda.at(moment, partial(self._steal, number, sku, self._chance.choice(self._counted)))
            else:
                place, units = self._chance.choice(OWN_PLACES).code, self._chance.randint(1, 6)
                self._agenda.at(moment, partial(self._unpack, number, sku, place, units))

    @property
    def is_done(self) -> bool:
        """Whether everything is unpacked and counted."""
        return self._to_do == 0

    def hand_over(self, lines: Sequence[BasketLine], place: str) -> None:
        """A till sold: the customer took it along. Now and then somebody counts what is left, before the hub hears."""
        for line in lines:
            self.there[line.sku, place] -= line.units
            if self._chance.random() < 0.25 and place in self._counted:
                self._to_do += 1
                name = f"shelf-{len(self._world.sales)}-{line.sku}"
                self._agenda.after(self._chance.uniform(0.5, 20), partial(self._count, name, line.sku, place))

    def take_in(self, lines: Sequence[BasketLine], place: str) -> None:
        """Goods came back."""
        for line in lines:
            for part, units in self._parts[line.sku].items():
                self.there[part, place] += units * line.units

    # -- packing -----------------------------------------------------------------------------------------------

    def _ship(self) -> None:
        """What has waited long enough leaves; after closing time, everything."""
        self._agenda.after(ROUND_SECONDS, self._ship)
        now = self._agenda.now()
        waited = (
            timedelta() if now >= self._closes_at else timedelta(seconds=self._chance.uniform(60, LONGEST_WAIT_SECONDS))
        )
        for number in self._hub.call(partial(_waiting, before=now - waited)) or []:
            lines = self._hub.call(partial(_packed, number=number))
            if lines and (missing := self._missing(lines)):
                self._to_do += 1
                self._count(f"missing-{number}-{now:%H%M}", *missing)
                continue
            parcel = Parcel(carrier="Colissimo", tracking_number=f"6A{number:011d}")
            has_left = self._hub.call(partial(ship_fulfillment, number=number, parcel=parcel))
            if has_left and self._chance.random() < TWICE:
                self._hub.call(partial(ship_fulfillment, number=number, parcel=parcel))
            if lines is None or has_left is None:
                # The box stands there until the computer works again: then the button is pressed once more.
                self._agenda.after(AGAIN_SECONDS, partial(self._press_again, number, parcel))
                return
            if has_left:
                self._leave(number, lines)

    def _missing(self, lines: Sequence[Packed]) -> tuple[str, str] | None:
        """What of a box does not lie where it should, and where that is."""
        needed: Counter[tuple[str, str]] = Counter()
        for line in lines:
            for part, units in self._parts[line.sku].items():
                needed[part, line.place] += line.units * units
        return next((key for key, units in needed.items() if self.there[key] < units), None)

    def _press_again(self, number: int, parcel: Parcel) -> None:
        self._hub.call(partial(ship_fulfillment, number=number, parcel=parcel))
        lines = self._hub.call(partial(_packed, number=number))
        if lines is None:
            self._agenda.after(AGAIN_SECONDS, partial(self._press_again, number, parcel))
        elif lines and lines[0].state == "shipped" and number not in self._left:
            self._leave(number, lines)

    def _leave(self, number: int, lines: Sequence[Packed]) -> None:
        self._left.add(number)
        for line in lines:
            for part, units in self._parts[line.sku].items():
                self.there[part, line.place] -= line.units * units
        self._trace.note("staff", f"ships {number}: {', '.join(f'{line.units} {line.sku}' for line in lines)}")

    # -- unpacking, stealing, counting -------------------------------------------------------------------------

    def _unpack(self, number: int, sku: str, place: str, units: int) -> None:
        """Goods come in; who cannot book them tries again with the same paper, and some enter it twice."""

        def work(hub: Hub) -> bool:
            return receive(hub, sku, place, units, document=f"delivery-{number}")

        booked = self._hub.call(work)
        if booked is not None and self._chance.random() < TWICE:
            self._agenda.after(self._chance.uniform(5, 120), partial(self._hub.call, work))
        if booked is None:
            self._agenda.after(AGAIN_SECONDS, partial(self._unpack, number, sku, place, units))
            return
        self._to_do -= 1
        self._world.stock[sku, place] = self._world.stock.get((sku, place), 0) + units
        self.there[sku, place] += units
        self._trace.note("staff", f"unpacks {units} {sku} at {place}")

    def _steal(self, number: int, sku: str, place: str) -> None:
        if self.there[sku, place] > 0:
            self.there[sku, place] -= 1
            self.stolen[sku, place] -= 1
            self._trace.note("thief", f"takes {sku} at {place}")
        self._agenda.after(self._chance.uniform(60, 1800), partial(self._count, f"count-{number}", sku, place))

    def _count(self, name: str, sku: str, place: str) -> None:
        """Somebody counts and enters; who is interrupted begins again with a new sheet."""
        units = max(self.there[sku, place], 0)

        def work(hub: Hub) -> bool:
            with suppress(CountRefusedError):
                open_count(hub, name, place, [sku])
                enter(hub, name, Entered(sku, units, by="Ada"))
            return True

        if self._hub.call(work) is None:
            self._agenda.after(AGAIN_SECONDS, partial(self._count, f"{name}'", sku, place))
            return
        self._trace.note("staff", f"counts {units} {sku} at {place}")
        self._agenda.after(self._chance.uniform(5, 600), partial(self._confirm, name))

    def _confirm(self, name: str) -> None:
        """Somebody else confirms, a little later: sales have gone on meanwhile."""

        def work(hub: Hub) -> bool:
            with suppress(CountRefusedError):  # it may have been carried out before the hub died
                confirm(hub, name, "Blaise")
                close(hub, name)
            return True

        if self._hub.call(work) is None:
            self._agenda.after(AGAIN_SECONDS, partial(self._confirm, name))
            return
        self._to_do -= 1


def _waiting(hub: Hub, before: datetime) -> list[int]:
    with hub.database.read() as connection:
        return ReportStore(connection, hub.clock.now()).fulfillments_before(before)


def _packed(hub: Hub, number: int) -> list[Packed]:
    with hub.database.read() as connection:
        return [
            Packed(one.sku, one.location, one.units, one.state)
            for one in AuditStore(connection).served()
            if one.fulfillment_order_id == number
        ]
