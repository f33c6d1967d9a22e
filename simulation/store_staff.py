"""The people of the warehouse and the stores: they work through their queues, and find what really lies there.

They see what the pages show, and act through the same operations. What they do not find they say; what a task asks
them to count they count, and somebody else confirms it.
"""

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from nervure.operations import desk, giving_up, offers
from nervure.operations.counts import CountRefusedError, Entered, close, confirm, enter, show
from nervure.operations.desk import Actor, DeskRefusedError, UnknownFulfillmentError
from nervure.operations.hub import Hub
from nervure.store.handling import HandlingStore
from nervure.store.movements import MovementStore
from nervure.store.picking import Job, Pick, PickingStore
from nervure.store.reports import ReportStore
from schemas.fulfillment import FulfillmentState, Parcel, RejectReason, StepKind
from simulation.catalogue import OWN_PLACES, WAREHOUSE
from simulation.shelves import Key, Shelves

SHIP_AFTER = timedelta(hours=6)
"""From the order to the parcel, while the doors are open."""

ACCEPT_WITHIN = timedelta(hours=4)
NO_TIME_SHARE = 0.02
FORGOTTEN_SHARE = 0.02
MANY = 1_000_000


@dataclass
class StoreStaff:
    """Everybody who works at a desk. `figures`: what they did."""

    hub: Hub
    shelves: Shelves
    seed: str
    figures: Counter[str] = field(default_factory=Counter)
    _counted: dict[str, list[tuple[Key, int]]] = field(default_factory=dict)

    def round(self, *, in_a_hurry: bool) -> int:
        """Once through every queue; answers how many steps were done. `in_a_hurry`: nothing waits, nobody forgets."""
        done = 0
        for place in OWN_PLACES:
            with self.hub.database.read() as connection:
                store = PickingStore(connection, self.hub.clock.now())
                jobs, back = store.jobs(place.code), store.to_put_back(place.code)
            for job in back:
                done += giving_up.put_back(self.hub, job.number, self._somebody(job))
            for job in jobs:
                # It may be canceled while somebody walks to the shelf: then it is off the list next time.
                with suppress(DeskRefusedError, UnknownFulfillmentError):
                    done += self._work_on(job, in_a_hurry=in_a_hurry)
        return done + self._count()

    def has_counted(self) -> bool:
        """Whether everything that was to be counted is counted."""
        return not self._counted and not self._to_count()

    # -- parcels -----------------------------------------------------------------------------------------------

    def _work_on(self, job: Job, *, in_a_hurry: bool) -> int:
        actor = self._somebody(job)
        if job.state is FulfillmentState.ALLOCATED:
            if job.location == WAREHOUSE.code or in_a_hurry:
                return offers.accept(self.hub, job.number, actor)[0]
            mood = random.Random(f"mood {self.seed} {job.number}").random()
            if mood < NO_TIME_SHARE:
                self.figures["rejected for want of time"] += 1
                return giving_up.reject(self.hub, job.number, RejectReason.NO_TIME, actor)
            return 0 if mood < NO_TIME_SHARE + FORGOTTEN_SHARE else offers.accept(self.hub, job.number, actor)[0]
        if not in_a_hurry and self.hub.clock.now() < job.placed_at + SHIP_AFTER:
            return 0
        return self._fetch(job, actor)

    def _fetch(self, job: Job, actor: Actor) -> int:
        """Goes from shelf to shelf, packs what is there, and says what is not."""
        desk.start_picking(self.hub, job.number, actor)
        needed, found = self._find(job)
        missing = {sku: units for sku, units in needed.items() if found[sku] < units}
        try:
            if missing:
                self._say_missing(job, actor, needed, found)
            if any(found.values()) and self._pack(job, actor, found):
                return 1
            return int(bool(missing))
        finally:
            with self.shelves.lock:
                for sku, units in found.items():
                    self.shelves.box((sku, job.location), -units)

    def _find(self, job: Job) -> tuple[Counter[str], Counter[str]]:
        needed: Counter[str] = Counter()
        found: Counter[str] = Counter()
        for one in self._picks(job.number):
            needed[one.sku] += one.units
        with self.shelves.lock:
            for sku, units in needed.items():
                key = (sku, job.location)
                found[sku] = min(units, self.shelves.free(key))
                self.shelves.box(key, found[sku])
        return needed, found

    def _say_missing(self, job: Job, actor: Actor, needed: Counter[str], found: Counter[str]) -> None:
        """The units that are not there are written off, and asked of other places."""
        keeps = {sku: found[sku] for sku, units in needed.items() if found[sku] < units}
        if not giving_up.reject(self.hub, job.number, RejectReason.NOT_FOUND, actor, keeps=keeps):
            return
        self.figures["picks that found too little"] += len(keeps)
        lost = self._written_off(job.number)
        with self.shelves.lock:
            for sku, units in lost.items():
                self.shelves.write_off((sku, job.location), units)
                self.figures["units not found"] += units

    def _written_off(self, number: int) -> Counter[str]:
        """What the newest rejection booked: of an order that was canceled in part meanwhile, less was missing."""
        lost: Counter[str] = Counter()
        with self.hub.database.read() as connection:
            now = self.hub.clock.now()
            events = HandlingStore(connection, now).events(number)
            newest = max(one.id for one in events if one.kind is StepKind.REJECTED)
            booked = MovementStore(connection, now).of_document(f"rejected:{number}:{newest}")
            skus = PickingStore(connection, now).skus_of([one.key.place.item_id for one in booked])
        for one in booked:
            lost[skus[one.key.place.item_id]] -= one.units
        return lost

    def _pack(self, job: Job, actor: Actor, found: Counter[str]) -> bool:
        for one in self._picks(job.number):
            units = min(one.units - one.picked, found[one.sku])
            if units > 0:
                desk.pick(self.hub, job.number, one.sku, actor, units=units)
        desk.pack(self.hub, job.number, actor)
        parcel = Parcel(carrier="Colissimo", tracking_number=f"6A{job.number:011d}")
        if not desk.send(self.hub, job.number, actor, parcel=parcel):
            return False
        with self.shelves.lock:
            for sku, units in self._units_here(job.number).items():
                self.shelves.move((sku, job.location), -units)
        self.figures["parcels"] += 1
        return True

    def _picks(self, number: int) -> Sequence[Pick]:
        with self.hub.database.read() as connection:
            return PickingStore(connection, self.hub.clock.now()).picks(number)

    def _units_here(self, number: int) -> Counter[str]:
        """What the slip says: units by sku that are, or were, sent from here."""
        units: Counter[str] = Counter()
        with self.hub.database.read() as connection:
            for sku, _, count in PickingStore(connection, self.hub.clock.now()).lines(number):
                units[sku] += count
        return units

    # -- counts ------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        """What was counted on the last round is confirmed by somebody else; what is asked for now is counted."""
        for name, entries in list(self._counted.items()):
            confirm(self.hub, name, "Blaise")
            close(self.hub, name)
            with self.shelves.lock:
                for key, wrong in entries:
                    self.shelves.wrong[key] -= wrong
                    self.shelves.adjusted[key] -= wrong
            self.figures["counts"] += 1
            del self._counted[name]
        done = 0
        for name in self._to_count():
            document, views = show(self.hub, name)
            keys = {(view.line.sku, document.location) for view in views}
            # Nobody counts a shelf on which a count waits for its confirmation.
            if keys & {key for entries in self._counted.values() for key, _ in entries} or name in self._counted:
                continue
            entries = []
            for view in views:
                key = (view.line.sku, document.location)
                with self.shelves.lock:
                    units, wrong = max(self.shelves.there[key], 0), self.shelves.wrong[key]
                    counted_at = self.hub.clock.now()
                with suppress(CountRefusedError):
                    enter(self.hub, name, Entered(view.line.sku, units, counted_at=counted_at, by="Ada"))
                    entries.append((key, wrong))
            self._counted[name] = entries
            done += 1
        return done

    def _to_count(self) -> list[str]:
        with self.hub.database.read() as connection:
            tasks = ReportStore(connection, self.hub.clock.now()).tasks(limit=MANY)
        return sorted(task.subject.removeprefix("count:") for task in tasks if task.kind == "count")

    @staticmethod
    def _somebody(job: Job) -> Actor:
        return Actor(by=f"desk {job.location}", location=job.location)
