"""How many days of a merchant the seeded world plays in a minute of one core, and how often channels oversell in it.

A hub-day is at least 100 orders, 500 listings and five platforms. The world is single-threaded: CPU time is its time.
It keeps its database as SQLite; there is no reference beside it, for nobody else plays this day.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from bench.databases import Kind
from bench.figures import Figure, Say, rounded
from bench.sizes import Sizes
from simulation.day import Size
from simulation.faults import ALL
from simulation.odds import measure as measure_odds
from simulation.seeds import HUB_DAY, SEEDS_A_TURN, SHORT, open_seeds


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    if kind.name != "SQLite":
        return
    for case, size in (
        ("hub-days of 24 hours, the usual faults", HUB_DAY),
        ("hub-days pressed into 2 hours, the usual faults", replace(HUB_DAY, hours=2.0)),
        ("short days, the usual faults", SHORT),
    ):
        say(f"world: {case}")
        yield _speed(case, size, 10 * sizes.world_days if size is SHORT else sizes.world_days)
    for row in measure_odds(sizes.world_days) if sizes.world_days else ():
        yield Figure(
            "world",
            f"oversold after the decisive sale on {row.channel}, buffer {row.buffer_units}",
            kind.name,
            "%",
            rounded(100 * row.realized),
            details={
                "predicted_percent": rounded(100 * row.predicted),
                "goods": row.goods,
                "delay_seconds": rounded(row.delay_seconds),
            },
        )


def _speed(case: str, size: Size, days: int) -> Figure:
    with open_seeds(size, ALL) as seeds:
        for merchant in range(0, days + 1, SEEDS_A_TURN):
            seeds.run(merchant)  # makes the template, and compiles what is asked
        begun = time.process_time()
        outcomes = [seeds.run(day) for day in range(1, days + 1)]
        seconds = time.process_time() - begun
    requests = sum(outcome.counts["requests"] for outcome in outcomes)
    return Figure(
        "world",
        case,
        "SQLite",
        "days/CPU minute",
        rounded(60 * days / seconds),
        details={
            "days": days,
            "orders_a_day": rounded(sum(one.verdict.orders for one in outcomes) / days),
            "fewest_orders": min(one.verdict.orders for one in outcomes),
            "listings": min(one.listings for one in outcomes),
            "requests_a_day": rounded(requests / days),
            "ms_a_request": rounded(1000 * seconds / requests),
            "statements_a_day": rounded(sum(one.counts["statements"] for one in outcomes) / days),
            "deaths_a_day": rounded(sum(one.counts["deaths"] for one in outcomes) / days),
            "failed": sum(bool(outcome.problems) for outcome in outcomes),
        },
    )
