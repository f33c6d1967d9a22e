"""Seeded shoppers: who they are, what they want, and where they buy it."""

import random
from collections.abc import Mapping, Sequence

from simulation.catalogue import Good
from simulation.platform import BasketLine, Shopper

TOWNS = (
    ("75011", "Paris"),
    ("69003", "Lyon"),
    ("13001", "Marseille"),
    ("59800", "Lille"),
    ("31000", "Toulouse"),
    ("06100", "Nice"),
    ("44000", "Nantes"),
    ("67000", "Strasbourg"),
    ("33000", "Bordeaux"),
    ("35000", "Rennes"),
)
FIRST = ("Ada", "Blaise", "Camille", "Denis", "Emilie", "Fabien", "Gisele", "Hugo", "Ines", "Jules")
LAST = ("Martin", "Bernard", "Petit", "Durand", "Leroy", "Moreau", "Simon", "Laurent", "Michel", "Garcia")


def make_shopper(chance: random.Random, number: int) -> Shopper:
    """An invented person; the number keeps two of them apart."""
    first, last = chance.choice(FIRST), chance.choice(LAST)
    postal_code, city = chance.choice(TOWNS)
    return Shopper(
        name=f"{first} {last}",
        email=f"{first.lower()}.{last.lower()}.{number}@shopper.example",
        country="FR",
        postal_code=postal_code,
        city=city,
        street=f"{chance.randrange(1, 120)} rue des Essais",
    )


class Demand:
    """What is bought next: a few goods are wanted by everybody, most now and then."""

    def __init__(self, goods: Sequence[Good], platforms: Mapping[str, Sequence[str]], seed: int) -> None:
        self._chance = random.Random(f"demand {seed}")
        self._skus = [good.sku for good in goods]
        self._chance.shuffle(self._skus)
        self._weights = [1.0 / (rank + 3) for rank in range(len(self._skus))]
        self._platforms = platforms
        self._count = 0

    def next(self) -> tuple[str, str, list[BasketLine], Shopper]:
        """The next basket: platform, stock point, lines, shopper."""
        self._count += 1
        name = self._chance.choice(sorted(self._platforms))
        point = self._chance.choice(self._platforms[name])
        wanted = dict.fromkeys(
            self._chance.choices(self._skus, self._weights, k=self._chance.choice((1, 1, 1, 2, 2, 3)))
        )
        lines = [BasketLine(sku, self._chance.choice((1, 1, 1, 2))) for sku in wanted]
        return name, point, lines, make_shopper(self._chance, self._count)

    def wait_seconds(self, orders_per_second: float) -> float:
        """Time until the next shopper comes (Poisson arrivals)."""
        return self._chance.expovariate(orders_per_second)
