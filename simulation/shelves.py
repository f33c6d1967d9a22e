"""What really lies at the merchant's places, where the records of its stores are often wrong.

The merchant starts from its records: they are the hub's opening stock. In the world some of them are wrong. A published
audit of 370,000 records in 37 stores found discrepancies of about a third of what should lie there (DeHoratius and
Raman 2008); the share of right records is the merchant's `accuracy`.
"""

import random
import threading
from collections import Counter
from collections.abc import Mapping

from simulation.catalogue import STORES, SUPPLIER, Stock

MEAN_ERROR = 0.36
"""A wrong record is off by this share of what it says on average, and by one unit at least."""

Key = tuple[str, str]
"""(sku, place)."""


class Shelves:
    """Units at own places. Safe to share between threads: whoever looks and takes holds `lock`.

    `there` includes what stands packed. `wrong` is what the hub's ledger has too much (negative: too little) at each
    place once everything was heard. `adjusted` is what it booked beside sales and returns because somebody looked.
    """

    def __init__(self, records: Stock, *, accuracy: float, seed: str) -> None:
        self.accuracy = accuracy
        self.lock = threading.RLock()
        self.there: Counter[Key] = Counter()
        self.wrong: Counter[Key] = Counter()
        self.adjusted: Counter[Key] = Counter()
        self._boxed: Counter[Key] = Counter()
        stores = {store.code for store in STORES}
        for key, recorded in sorted(records.items()):
            if key[1] == SUPPLIER.code:
                continue
            chance = random.Random(f"record {seed} {key[0]} {key[1]}")
            is_right = key[1] not in stores or chance.random() < accuracy
            self.there[key] = recorded if is_right else _really(recorded, chance)
            if self.there[key] != recorded:
                self.wrong[key] = recorded - self.there[key]
        self.opening: dict[Key, int] = dict(self.there)
        self.wrong_records = len(self.wrong)

    def free(self, key: Key) -> int:
        """What somebody can take from the shelf: what is packed is not there."""
        return max(self.there[key] - self._boxed[key], 0)

    def box(self, key: Key, units: int) -> None:
        """Units are taken from the shelf for a parcel (negative: put back)."""
        self._boxed[key] += units

    def move(self, key: Key, units: int) -> None:
        """Units come (negative: leave), and the ledger hears of it."""
        self.there[key] += units

    def correct(self, key: Key, units: int) -> int:
        """The ledger is told of a correction; what is not there cannot be taken away. Answers what moved."""
        with self.lock:
            moved = max(units, -max(self.there[key], 0))
            self.there[key] += moved
            self.wrong[key] += units - moved
            self.adjusted[key] += units
            return moved

    def differences(self, on_hand: Mapping[Key, int]) -> list[str]:
        """Where a ledger differs from what lies there by something else than what nobody has looked at."""
        keys = self.there.keys() | {key for key in on_hand if key[1] != SUPPLIER.code}
        return [
            f"{sku} at {place}: on hand {on_hand.get((sku, place), 0)}, {there} lie there, of {wrong} nobody knows"
            for sku, place in sorted(keys)
            for there, wrong in [(self.there[sku, place], self.wrong[sku, place])]
            if on_hand.get((sku, place), 0) != there + wrong
        ]

    def write_off(self, key: Key, units: int) -> None:
        """The ledger books units as lost that were not found."""
        self.wrong[key] -= units
        self.adjusted[key] -= units


def _really(recorded: int, chance: random.Random) -> int:
    """What lies there, where a record is wrong: as often more as less, but never less than nothing."""
    error = 1 + int(chance.expovariate(1.0) * MEAN_ERROR * recorded)
    return recorded + error if chance.random() < 0.5 or not recorded else max(recorded - error, 0)
