"""Buffers that are earned, in a world where three channels sell the same goods: fewer units are sold twice."""

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest

from nervure.operations.buffers import earn_buffers
from nervure.operations.oversells import BufferReport, report_buffers
from nervure.publication.earned import Earning
from nervure.store.statements import chunks
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import LINE, ORDER
from simulation.agenda import Agenda
from simulation.odds import CHANNELS, SHOPPERS_PER_HOUR, Market, play
from simulation.process import HubProcess
from simulation.template import open_copies

DEAR = Earning(cancellation=19_000_000, margin=1_000_000)
"""A chance of 5 % is allowed."""

GOODS, UNITS, HOURS = 36, 6, 0.7
FILLED = timedelta(hours=1)
LEARNED_AFTER = (5.0, 8.0, 11.0, 15.0, 20.0, 25.0)


@dataclass
class Story:
    """One run: the past that the hub has heard of, what it earns, and what it reports in the end."""

    earning: Earning | None
    reports: list[BufferReport] = field(default_factory=list)

    def opened(self, process: HubProcess, agenda: Agenda) -> None:
        hub = process.hub
        assert hub is not None
        hub.accounts = {name: replace(account, earning=self.earning) for name, account in hub.accounts.items()}
        _write_past(process)
        for minutes in LEARNED_AFTER:
            agenda.after(minutes * 60, partial(process.call, earn_buffers))

    def closed(self, process: HubProcess, _: Agenda) -> None:
        self.reports = process.call(report_buffers) or []


def _write_past(process: HubProcess) -> None:
    """Two days of orders at the shoppers' pace, long served: what the hub knows of its sales."""
    hub = process.hub
    assert hub is not None
    now, chance, days = hub.clock.now(), random.Random("the past"), 2
    with hub.database.write() as connection:
        connection.execute(CHANNEL.update().values(orders_since=now - timedelta(days=days)))
        listings = connection.execute(
            LISTING.select().join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id).where(CHANNEL.c.name.in_(CHANNELS))
        ).all()
        orders: list[dict[str, object]] = []
        lines: list[dict[str, object]] = []
        for listing in listings:
            moment = now - timedelta(days=days)
            # It ends before the shelves were filled: the report knows what they showed from then on.
            while (moment := moment + timedelta(hours=chance.expovariate(SHOPPERS_PER_HOUR))) < now - FILLED:
                number = 1_000_000 + len(orders)
                amounts = dict.fromkeys(("total", "shipping_amount", "tax_amount", "discount_amount", "difference"), 0)
                orders.append(
                    {"id": number, "channel_id": listing.channel_id, "external_id": f"past {number}"}
                    | {"number": "", "state": "completed", "currency": "EUR", "delivery_method": "ship"}
                    | {"placed_at": moment, "updated_at": moment, "recorded_at": moment + timedelta(days=1)}
                    | {"tax_included": True, "is_counted": False, "money_lines": []}
                    | amounts
                )
                lines.append(
                    {"order_id": number, "external_id": "1", "listing_id": listing.id, "item_id": listing.item_id}
                    | {"title": "", "units_ordered": 1, "units_canceled": 0, "unit_price": 1, "line_total": 1}
                    | {"units_charged": 1, "discount_amount": 0}
                    | {"tax_amount": 0}
                )
        for table, rows in ((ORDER, orders), (LINE, lines)):
            for part in chunks(rows, 5_000):
                connection.execute(table.insert(), part)


def _play(seed: int, earning: Earning | None) -> dict[str, BufferReport]:
    story = Story(earning)
    with open_copies() as copies:
        play(
            copies,
            seed,
            Market(units=UNITS, goods=GOODS, hours=HOURS, opened=story.opened, closed=story.closed),
        )
    return {one.channel: one for one in story.reports if one.channel in CHANNELS}


@pytest.mark.requirement("R09")
def test_with_earned_buffers_fewer_units_are_sold_twice_and_the_prediction_holds_both() -> None:
    without, earned = _play(3, None), _play(3, DEAR)
    for one in (*without.values(), *earned.values()):
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.realized <= one.high, one
    assert sum(one.realized for one in earned.values()) < sum(one.realized for one in without.values()) / 2
