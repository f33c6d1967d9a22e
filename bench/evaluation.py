"""What scarcity saves on real demand: every rule of source selection and hindsight, on the same orders.

The merchant is that of `bench.retail`. Nothing of the period that is played is known to the rules before it happens;
prices are learned from the weeks before.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np

from bench.databases import Kind
from bench.figures import Figure, Say, rounded
from bench.retail import Shape, make_merchant
from bench.sizes import Sizes
from nervure.orders.comparison import Comparison, Rule, compare, interval, share_closed
from nervure.orders.costs import EURO
from nervure.orders.scarcity import Watch

DATA = Path(os.environ.get("NERVURE_SHARED") or Path(__file__).parent.parent.parent / "shared") / "data"
SECONDS = 600.0


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    if kind.name != "SQLite":
        return
    if not DATA.exists():
        say("evaluate: the reference data is absent (set NERVURE_SHARED)")
        return
    for name, shape, seeds in (
        ("baskets", Shape(articles=sizes.evaluated_articles), sizes.evaluated),
        ("single lines", Shape(articles=sizes.evaluated_articles, lines="single"), sizes.evaluated_beside),
        ("no warehouse", Shape(articles=sizes.evaluated_articles, central=0.0), sizes.evaluated_beside),
        ("slower articles", Shape(articles=sizes.evaluated_articles, first=120), sizes.evaluated_beside),
    ):
        found = []
        for seed in range(seeds):
            started = time.monotonic()
            found.append(play(shape, seed))
            pair = (found[-1].saved, found[-1].gap)
            say(f"evaluate {name}: seed {seed}, closed {share_closed([pair])}, {time.monotonic() - started:.0f} s")
        if found:
            yield from _figures(name, found)


def play(shape: Shape, seed: int) -> Comparison:
    """One merchant's weeks by every rule."""
    merchant = make_merchant(DATA, shape, seed)
    watch = Watch(merchant.demand, merchant.ways, merchant.ends_at, np.random.default_rng(seed))
    return compare(merchant.period, watch, seconds=SECONDS)


def _figures(name: str, found: list[Comparison]) -> Iterator[Figure]:
    pairs = [(one.saved, one.gap) for one in found]
    between = interval(pairs)
    closed = share_closed(pairs)
    to_found = share_closed([(one.saved, one.gap_to_found) for one in found])
    yield Figure(
        "evaluate",
        f"{name}, {len(found)} seeds",
        "none",
        "% of the gap closed",
        None if closed is None else rounded(100 * closed),
        [rounded(100 * saved / gap) if gap else 0.0 for saved, gap in pairs],
        details={
            "low_95": between and rounded(100 * between[0]),
            "high_95": between and rounded(100 * between[1]),
            "closed_to_the_best_found": None if to_found is None else rounded(100 * to_found),
            "gap_percent_of_cost": rounded(
                100 * sum(gap for _, gap in pairs) / sum(one.tallies[Rule.MYOPIC].cost for one in found)
            ),
            "bound_euros": rounded(fmean(one.bound for one in found) / EURO),
        },
    )
    for rule in Rule:
        tallies = [one.tallies[rule] for one in found]
        regret = {reason: fmean(one.regret(rule)[reason] for one in found) / EURO for reason in found[0].regret(rule)}
        yield Figure(
            "evaluate",
            f"{name}, by {rule}",
            "none",
            "euros",
            rounded(fmean(one.cost for one in tallies) / EURO),
            details={
                "parcels": rounded(fmean(one.parcels for one in tallies)),
                "splits": rounded(fmean(one.splits for one in tallies)),
                "late_days": rounded(fmean(one.late_days for one in tallies)),
                "km_a_parcel": rounded(sum(one.km for one in tallies) / max(sum(one.parcels for one in tallies), 1)),
                "missing": rounded(fmean(one.missing for one in tallies)),
                **{f"regret_{reason.replace(' ', '_')}": rounded(euros) for reason, euros in regret.items() if euros},
            },
        )
