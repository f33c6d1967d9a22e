"""How far a pull of orders reaches back: as far as its platform needs it, and as what it showed late has taught."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import ValidationError

from mappings.errors import UnreadableDocumentError
from nervure.operations.hub import Hub
from nervure.store.channels import ChannelState, ChannelStore
from nervure.store.inbox import InboxStore
from schemas.documents import RawDocument
from schemas.orders import Order

WHOLE_OVERLAP = "pull the whole overlap"
DEEP_OVERLAP = "pull a deep overlap"

SHORT_OVERLAP_SECONDS = 30.0
"""Between two pulls with the whole overlap, one that is wanted at once reads only so far back.

A busy shop would otherwise spend its calls on reading the same orders again and again.
"""

MARGIN = 1.5
"""The overlap is so many times the worst delay that was seen."""

LONGEST_WHOLE_SECONDS = 3_600.0
"""What is shown still later is left to the deep overlap: this one is read again each minute."""

DEEP_SECONDS = 86_400.0
LONGEST_DEEP_SECONDS = 7 * 86_400.0
DEEP_PERIOD_SECONDS = 6 * 3_600.0
LATE_DAYS = 30
"""So long a delay is remembered."""


def start_of_pull(
    state: ChannelState,
    floor_seconds: float,
    now: datetime,
    *,
    is_whole: bool,
    is_deep: bool,
    whole_since: datetime | None = None,
) -> datetime:
    """Where a pull of orders begins. `floor_seconds`: the platform's own overlap.

    `whole_since`: when the last pull with the whole overlap began; those since then reached less far back, so what a
    slow clock stamped meanwhile may lie before their watermark.

    It never begins before the channel's first pull did: what was ordered then is not ours to serve.
    """
    watermark = state.orders_watermark or now
    late = worst_delay_seconds(state, now)
    if is_whole and whole_since is not None:
        watermark = min(watermark, whole_since)
    seconds = floor_seconds if is_whole else min(floor_seconds, SHORT_OVERLAP_SECONDS)
    if is_whole:
        seconds = max(seconds, min(MARGIN * late, LONGEST_WHOLE_SECONDS))
    if is_deep and state.orders_heard_until is not None:
        seconds = max(seconds, min(max(DEEP_SECONDS, MARGIN * late), LONGEST_DEEP_SECONDS))
    since = watermark - timedelta(seconds=seconds)
    if state.orders_since is None:
        return since
    return max(since, min(state.orders_since, watermark) - timedelta(seconds=floor_seconds))


def worst_delay_seconds(state: ChannelState, now: datetime) -> float:
    """The longest time that a change was shown too late in the last days."""
    if state.orders_late_seconds is None or state.orders_late_at is None:
        return 0.0
    return state.orders_late_seconds if now - state.orders_late_at < timedelta(days=LATE_DAYS) else 0.0


def note_delays(hub: Hub, channel: str, documents: Sequence[RawDocument], state: ChannelState, begun: datetime) -> None:
    """Learns from the new orders of a pull which the pull before it should have shown: how late they came.

    Only an order that nobody had told of: of one that is known, parts may be told anew under an old time.
    """
    if state.orders_heard_until is None or not documents:
        return
    with hub.database.read() as connection:
        events = {document.event_id for document in documents}
        new = InboxStore(connection, hub.clock.now()).first_told(channel, events, begun)
    told = [document for document in documents if document.event_id in new]
    moments = [moment for document in told for moment in _changed_at(hub, channel, document)]
    late = max(((state.orders_heard_until - moment).total_seconds() for moment in moments), default=0.0)
    if late > 0:
        now = hub.clock.now()
        forgotten = now - timedelta(days=LATE_DAYS)
        hub.database.run(lambda c: ChannelStore(c, now).heard_late(channel, late, forgotten_before=forgotten))


def _changed_at(hub: Hub, channel: str, document: RawDocument) -> list[datetime]:
    """When the orders in a document changed, as the channel says; one that cannot be read says nothing here."""
    with suppress(UnreadableDocumentError, ValidationError):
        facts = hub.accounts[channel].record.translate(document, hub.translation(channel))
        return [fact.updated_at for fact in facts if isinstance(fact, Order)]
    return []
