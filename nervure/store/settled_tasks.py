"""Tasks that nobody has to look at any more: what they were opened for has settled by itself."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.store.falls import FALL, MINE, PUBLICATION, WAITS
from nervure.store.outbox import OUTBOX
from nervure.store.statements import are_among, as_rows, chunks
from nervure.store.stock import StockStore
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, ORDER
from nervure.store.tasks import TASK
from nervure.store.zeros import MASS_ZERO
from schemas.fulfillment import FulfillmentState
from schemas.orders import OrderState


class SettledTaskStore:
    """What settled by itself, in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def close_settled(self) -> int:
        """Closes what needs nobody any more; answers how many tasks.

        `oversold`: as many units are there again as are owed. `message_refused`: the message has arrived after all, or
        the channel knows by itself what it was to tell. `mass_zero`: no zero of the channel is held any more. Every
        other task is closed by who does what it asks for, or by a person.
        """
        return self._close_oversold() + self._close(self._arrived() | self._moot()) + self._close_mass_zero()

    # -- oversold ----------------------------------------------------------------------------------------------

    def _close_oversold(self) -> int:
        places = {task: _place(subject) for task, subject in self._open("oversold").items()}
        stock = StockStore(self._connection, self._now)
        there = stock.at_items({place.item_id for place in places.values()})
        covered = {task for task, place in places.items() if place not in there or there[place].claimable >= 0}
        if not covered:
            return 0
        # Closed before the locks are taken, and opened again where they show another number: whoever pushes the place
        # below 0 meanwhile cannot take this task for an open one.
        closed = self._close(covered)
        claimable: Counter[Place] = Counter()
        for level in stock.lock_sellable({places[task] for task in covered}):
            claimable[level.place] += level.claimable
        again = sorted(task for task in covered if claimable[places[task]] < 0)
        reopened = self._connection.execute(
            TASK.update().where(TASK.c.id.in_(again), TASK.c.closed_at == self._now).values(closed_at=None)
        )
        return closed - reopened.rowcount

    # -- mass_zero ---------------------------------------------------------------------------------------------

    def _close_mass_zero(self) -> int:
        """One that is still needed, because a zero is held in this very moment, is opened again by the sweep."""
        held = (
            sa.select(FALL.c.publication_id)
            .join(CHANNEL, CHANNEL.c.id == FALL.c.channel_id)
            .join(PUBLICATION, MINE)
            .where(CHANNEL.c.name == TASK.c.subject, FALL.c.verdict == "held", WAITS)
        )
        is_held = held.correlate(TASK).exists()
        settled = sa.and_(TASK.c.kind == MASS_ZERO, TASK.c.closed_at.is_(None), ~is_held)
        return self._connection.execute(TASK.update().where(settled).values(closed_at=self._now)).rowcount

    # -- message_refused ---------------------------------------------------------------------------------------

    def _arrived(self) -> set[int]:
        """Tasks whose message another sender has delivered."""
        messages = {tuple(subject.split(":", 1)): task for task, subject in self._open("message_refused").items()}
        found: set[int] = set()
        for batch in chunks(sorted(messages), 1_000):
            query = sa.select(OUTBOX.c.kind, OUTBOX.c.reference).where(
                are_among((OUTBOX.c.kind, OUTBOX.c.reference), self._connection.dialect.name),
                OUTBOX.c.state == "done",
            )
            rows = self._connection.execute(query, as_rows(batch))
            found.update(messages[row.kind, row.reference] for row in rows)
        return found

    def _moot(self) -> set[int]:
        """Tasks whose message says nothing new to the channel: somebody told it there, or the order was canceled.

        Not those of suppliers: who refuses one order may refuse the next.
        """
        tasks = self._open("message_refused")
        acceptances = _numbers(tasks, "accept_order:order:")
        shipments = _numbers(tasks, "shipment:fulfillment:")
        found: set[int] = set()
        for batch in chunks(sorted(acceptances)):
            decided = sa.select(ORDER.c.id).where(
                ORDER.c.id.in_(batch), ORDER.c.state != OrderState.AWAITING_ACCEPTANCE.value
            )
            found.update(acceptances[order] for order in self._connection.execute(decided).scalars())
        for batch in chunks(sorted(shipments)):
            other = FULFILLMENT.alias("other")
            # Of several parcels another one may have completed the order, and this one's tracking is not known there.
            is_only = ~(
                sa.select(other.c.id)
                .where(
                    other.c.order_id == FULFILLMENT.c.order_id,
                    other.c.id != FULFILLMENT.c.id,
                    other.c.state == FulfillmentState.SHIPPED.value,
                )
                .exists()
            )
            known = (
                sa.select(FULFILLMENT.c.id)
                .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
                .where(
                    FULFILLMENT.c.id.in_(batch),
                    sa.or_(
                        # Goods that have left an order which is canceled have a task of their own.
                        ORDER.c.state == OrderState.CANCELED.value,
                        sa.and_(ORDER.c.state == OrderState.COMPLETED.value, is_only),
                    ),
                )
            )
            found.update(shipments[number] for number in self._connection.execute(known).scalars())
        return found

    # ----------------------------------------------------------------------------------------------------------

    def _open(self, kind: str) -> dict[int, str]:
        query = sa.select(TASK.c.id, TASK.c.subject).where(TASK.c.kind == kind, TASK.c.closed_at.is_(None))
        return {row.id: row.subject for row in self._connection.execute(query.order_by(TASK.c.id))}

    def _close(self, tasks: Collection[int]) -> int:
        return sum(
            self._connection.execute(
                TASK.update().where(TASK.c.id.in_(batch), TASK.c.closed_at.is_(None)).values(closed_at=self._now)
            ).rowcount
            for batch in chunks(sorted(tasks))
        )


def _place(subject: str) -> Place:
    """The place in "item:ID:location:ID"."""
    _, item, _, location = subject.split(":")
    return Place(int(item), int(location))


def _numbers(tasks: Mapping[int, str], prefix: str) -> dict[int, int]:
    """Tasks by the number behind this prefix of their subject."""
    named: Iterable[tuple[int, str]] = ((task, subject.removeprefix(prefix)) for task, subject in tasks.items())
    return {int(rest): task for task, rest in named if rest != tasks[task] and rest.isdigit()}
