"""What channels sold of their last units, and how much of it had gone: read for a report, in a few statements."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.policies import Policy, buffer_of
from nervure.store.backorders import BACKORDER_CHANGE
from nervure.store.earned import heard_since
from nervure.store.history import ANSWER
from nervure.store.policy_log import POLICY_CHANGE
from nervure.store.publications import PUBLICATION
from nervure.store.statements import as_one, is_among
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import LINE, ORDER, SHORTFALL
from schemas.orders import DeliveryMethod
from schemas.policies import PolicyKind
from schemas.publications import PublicationState

_KeptBack: TypeAlias = Mapping[int | None, Sequence[tuple[datetime, Policy]]]
"""What was kept back since when, by item; None: of the whole channel. Less than 0 units: nothing any more."""


@dataclass(frozen=True, slots=True)
class SoldLine:
    """A line that a channel sold where it was known what it showed.

    `left`: units that it went on showing; below 0 it sold more than it showed. `buffer_units` were kept back then.
    `is_oversold`: units of it had gone when it was sold.
    """

    item_id: int
    left: int
    buffer_units: int
    is_oversold: bool


class OversellStore:
    """Sold lines in one look at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._oversold = self._find_oversold()

    def lines(self, channel_id: int) -> list[SoldLine]:
        """The lines of the last days, as far as a number of theirs had been confirmed before.

        Where a listing has numbers at several stock points, they are added up. What was sold beyond on purpose and
        what was handed over are left out.
        """
        rows = self._connection.execute(_LINES.where(ORDER.c.channel_id == channel_id, heard_since(self._now))).all()
        answers = self._answers({row.answer_id for row in rows})
        seen: dict[int, list[sa.Row[*tuple[object, ...]]]] = defaultdict(list)
        for row in rows:
            seen[row.id].append(row)
        sold: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
        for parts in seen.values():
            sold[parts[0].listing_id].append((parts[0].placed_at, int(parts[0].units)))
        kept = self._buffers(channel_id)
        return [
            _sold_line(parts, answers, sold[parts[0].listing_id], kept, is_oversold=line in self._oversold)
            for line, parts in seen.items()
        ]

    def _find_oversold(self) -> set[int]:
        """The lines that were sold when their units had gone.

        A line that is short when it is heard was only heard last. Who sold last of the orders that were heard by then
        sold what had gone, as far as the platforms' clocks agree.
        """
        short = self._connection.execute(_SHORT.where(heard_since(self._now))).all()
        found: set[int] = set()
        for line in short:
            later = (
                sa.select(LINE.c.id)
                .join(ORDER, ORDER.c.id == LINE.c.order_id)
                .where(LINE.c.item_id == line.item_id, _IS_SENT)
                .where(ORDER.c.placed_at > line.placed_at, ORDER.c.recorded_at <= line.recorded_at)
                .order_by(ORDER.c.placed_at.desc(), LINE.c.id.desc())
            )
            sold_last = (one for one in self._connection.execute(later).scalars() if one not in found)
            found.add(next(sold_last, line.id))
        return found

    def _answers(self, ids: set[int]) -> dict[int, tuple[datetime, int]]:
        query = sa.select(ANSWER.c.id, ANSWER.c.answered_at, ANSWER.c.units).where(
            is_among(ANSWER.c.id, self._connection.dialect.name)
        )
        return {row.id: (row.answered_at, row.units) for row in self._connection.execute(query, as_one(sorted(ids)))}

    def _buffers(self, channel_id: int) -> _KeptBack:
        """What a channel kept back since when."""
        found: dict[int | None, list[tuple[datetime, Policy]]] = defaultdict(list)
        query = (
            sa.select(POLICY_CHANGE)
            .where(
                POLICY_CHANGE.c.channel_id == channel_id,
                POLICY_CHANGE.c.kind.in_([PolicyKind.BUFFER.value, PolicyKind.EARNED.value]),
            )
            .order_by(POLICY_CHANGE.c.id)
        )
        for row in self._connection.execute(query):
            units = -1 if row.value is None else int(row.value["units"])
            policy = Policy(PolicyKind(row.kind), units, row.channel_id, row.item_id)
            found[row.item_id].append((row.recorded_at, policy))
        return found


_NEWEST_ANSWER = (
    sa.select(ANSWER.c.id)
    .where(
        ANSWER.c.publication_id == PUBLICATION.c.id,
        ANSWER.c.answered_at <= ORDER.c.placed_at,
        ANSWER.c.state == PublicationState.CONFIRMED.value,
    )
    .order_by(ANSWER.c.answered_at.desc(), ANSWER.c.id.desc())
    .limit(1)
    .correlate(PUBLICATION, ORDER)
    .scalar_subquery()
)
_WAS_MEANT = (
    sa.select(BACKORDER_CHANGE.c.id)
    .where(BACKORDER_CHANGE.c.order_line_id == LINE.c.id, BACKORDER_CHANGE.c.recorded_at == SHORTFALL.c.created_at)
    .correlate(LINE, SHORTFALL)
    .exists()
)
_IS_SENT = ORDER.c.delivery_method != DeliveryMethod.HANDED_OVER.value
_LINES = (
    sa.select(
        LINE.c.id,
        LINE.c.listing_id,
        LINE.c.item_id,
        LINE.c.units_ordered.label("units"),
        ORDER.c.placed_at,
        _NEWEST_ANSWER.label("answer_id"),
    )
    .join(ORDER, ORDER.c.id == LINE.c.order_id)
    .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
    .join(PUBLICATION, PUBLICATION.c.listing_id == LINE.c.listing_id)
    .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id, isouter=True)
    .where(
        _IS_SENT,
        PUBLICATION.c.state != PublicationState.EXCLUDED.value,
        _NEWEST_ANSWER.is_not(None),
        sa.or_(SHORTFALL.c.id.is_(None), ~_WAS_MEANT),
    )
    .order_by(ORDER.c.placed_at, LINE.c.id)
)
# A shortfall that was written with the order was there when it was heard; a later one has other reasons.
_SHORT = (
    sa.select(LINE.c.id, LINE.c.item_id, ORDER.c.placed_at, ORDER.c.recorded_at)
    .join(ORDER, ORDER.c.id == LINE.c.order_id)
    .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
    .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id)
    .where(SHORTFALL.c.created_at == ORDER.c.recorded_at, ~_WAS_MEANT, _IS_SENT)
    .order_by(ORDER.c.recorded_at, LINE.c.id)
)


def _sold_line(
    parts: Sequence[sa.Row[*tuple[object, ...]]],
    answers: Mapping[int, tuple[datetime, int]],
    sold: Sequence[tuple[datetime, int]],
    kept: _KeptBack,
    *,
    is_oversold: bool,
) -> SoldLine:
    line = parts[0]
    shown = sum(answers[row.answer_id][1] for row in parts)
    since = max(answers[row.answer_id][0] for row in parts)
    # The channel took what it sold since off its own number, this line included.
    taken = sum(units for at, units in sold if since < at <= line.placed_at)
    in_force = [policy for whose in (None, line.item_id) for policy in _newest(kept.get(whose, ()), since)]
    buffer = buffer_of(in_force)
    return SoldLine(line.item_id, shown - taken, buffer.units if buffer else 0, is_oversold)


def _newest(changes: Sequence[tuple[datetime, Policy]], moment: datetime) -> list[Policy]:
    """The newest of each kind until a moment, but those that were taken back."""
    until = changes[: bisect_right([at for at, _ in changes], moment)]
    return [policy for policy in {policy.kind: policy for _, policy in until}.values() if policy.units >= 0]
