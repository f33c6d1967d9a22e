"""How much is measured: a real run, a quick look, and as little as shows that it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Seconds are of one repetition of one side. `rates`: orders a second; `rate_seconds`: for so long.

    `batches`: orders, locations, and how much there is of everything.
    """

    repetitions: int = 5
    claim_seconds: float = 1.0
    claim_items: int = 1_000
    workers: int = 8
    ledger_rows: int = 20_000
    ledger_levels: int = 2_000
    locations: int = 500
    catalogues: tuple[int, ...] = (10_000, 100_000)
    catalogue_locations: int = 5
    growth: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    webhooks: int = 600
    connections: int = 4
    listings: int = 10_000
    routed: tuple[tuple[int, int], ...] = ((1, 20), (3, 100), (10, 500))
    routed_orders: int = 1_000
    promised_lines: tuple[int, ...] = (2, 10)
    promises: int = 200
    promise_connections: int = 2
    batches: tuple[tuple[int, int, float], ...] = ((500, 60, 6), (500, 60, 4), (500, 60, 3))
    plain_seconds: float = 300.0
    evaluated: int = 30
    evaluated_beside: int = 3
    evaluated_articles: int = 20
    publish_repetitions: int = 2
    rates: tuple[float, ...] = (5.0, 20.0, 50.0)
    rate_seconds: float = 40.0
    quiet_seconds: float = 300.0
    world_days: int = 3


REAL = Sizes()
QUICK = Sizes(
    repetitions=3,
    claim_seconds=0.4,
    ledger_rows=5_000,
    ledger_levels=500,
    locations=100,
    catalogues=(2_000,),
    growth=(2_000, 20_000),
    webhooks=150,
    listings=1_000,
    routed_orders=200,
    promises=60,
    batches=((100, 20, 3),),
    plain_seconds=60.0,
    evaluated=2,
    evaluated_beside=1,
    evaluated_articles=5,
    publish_repetitions=1,
    rates=(5.0,),
    rate_seconds=20.0,
    quiet_seconds=120.0,
    world_days=1,
)
TINY = Sizes(
    repetitions=1,
    claim_seconds=0.05,
    claim_items=5,
    workers=2,
    ledger_rows=40,
    ledger_levels=10,
    locations=3,
    catalogues=(4,),
    catalogue_locations=2,
    growth=(1_000, 1_200),
    webhooks=6,
    connections=2,
    listings=40,
    routed=((1, 2), (2, 3)),
    routed_orders=3,
    promised_lines=(2,),
    promises=6,
    batches=((4, 5, 1),),
    plain_seconds=10.0,
    evaluated=2,
    evaluated_beside=0,
    evaluated_articles=2,
    publish_repetitions=1,
    rates=(5.0,),
    rate_seconds=2.0,
    quiet_seconds=60.0,
)
