"""A process that receives, sells, ships and counts until it is killed, and says what was committed.

Run as `python -m tests.nervure.store.dying_writer URL NAME`; each line names a document whose transaction has ended.
"""

import sys
from collections.abc import Callable
from itertools import count

from nervure.store.database import open_database
from schemas.stock import MovementKind
from tests.nervure.world import World, a_till_sale, an_order

Work = Callable[[World, str], str]


def receives(world: World, name: str) -> str:
    world.move("BOLT", "paris", 3, MovementKind.RECEIVED, cause=f"delivery {name}")
    return f"delivery {name}"


def sells(world: World, name: str) -> str:
    world.take_in(a_till_sale(name, {"BOLT": 1, "PAIR": 1}, "counter", channel="till"))
    return f"order:till:{name}"


def ships(world: World, name: str) -> str:
    world.take_in(an_order(name, {"PAIR": 1, "BOLT": 1}))
    world.ship_all(name)
    return f"order:shop:{name}"


def counts(world: World, name: str) -> str:
    world.move("NUT", "lyon", 5, cause=f"found {name}")
    world.count("NUT", "paris", 50 + len(name), minute=1, source=name)
    return f"found {name}"


WORKS: tuple[Work, ...] = (receives, ships, sells, counts)


def main(url: str, name: str) -> None:
    """Works until somebody ends it."""
    database = open_database(url)
    print("ready", flush=True)
    for number in count():
        work = WORKS[number % len(WORKS)]
        document = f"{name}-{number}"
        print(database.run(lambda connection: work(World(connection), document)), flush=True)  # noqa: B023


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
