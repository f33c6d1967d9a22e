"""What the loops that understand and tell do in one turn: documents are handled, messages and numbers leave."""

from collections.abc import Sequence
from functools import partial

from connectors.errors import ConnectorError
from nervure.operations.asking import LOOK_PAUSE_SECONDS, note_failure
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.messages import send_to, targets
from nervure.operations.publish import publish, refresh
from nervure.operations.restores import beat
from nervure.operations.windows import Loops, Turn, Window
from nervure.store.inbox import DeadLetter, InboxStore
from nervure.store.upkeep import UpkeepStore

DRAIN_PAUSE_SECONDS = 0.1
MESSAGES_PAUSE_SECONDS = 0.5
BEAT_PERIOD_SECONDS = 15.0


# -- intake ------------------------------------------------------------------------------------------------------


def draining(window: Window) -> Loops:
    """The dispatcher: documents in micro-batches; what leaves has a loop of its own for each platform and supplier."""
    loops: dict[str, Turn] = {f"{target} messages": partial(_send, window, target) for target in targets(window.hub)}
    return loops | {"inbox": partial(_drain, window)}


def _drain(window: Window) -> float:
    report = drain(window.hub)
    for topic, count in report.topics.items():
        account, _, kind = topic.partition(" ")
        window.tally.count(account, kind, count)
    window.tally.took(report.latencies)
    window.tally.count("inbox", "dead letters", report.dead)
    if report.handled + report.dead == 0:
        return DRAIN_PAUSE_SECONDS
    refresh(window.hub)
    return 0.0


def _send(window: Window, target: str) -> float:
    count = send_to(window.hub, target)
    window.tally.count(target, "messages tried", count)
    return 0.0 if count else MESSAGES_PAUSE_SECONDS


def take_dead_letters(hub: Hub, limit: int) -> list[DeadLetter]:
    """Dead letters that nobody was told of yet; each is answered once."""
    with hub.database.read() as connection:
        if not UpkeepStore(connection, hub.clock.now()).has_untold():
            return []
    return hub.database.run(lambda c: InboxStore(c, hub.clock.now()).take_untold(limit))


def tell_again(hub: Hub, letters: Sequence[DeadLetter]) -> None:
    """Nobody could be told of these dead letters: they are answered again."""
    hub.database.run(lambda c: UpkeepStore(c, hub.clock.now()).tell_again([letter.id for letter in letters]))


# -- telling -----------------------------------------------------------------------------------------------------


def publishing(window: Window) -> Loops:
    """Each channel is told in a loop of its own; numbers are computed in another."""
    loops: dict[str, Turn] = {channel: partial(_publish, window, channel) for channel in window.hub.accounts}
    return loops | {"numbers": partial(_refresh, window), "life": partial(_beat, window)}


def _refresh(window: Window) -> float:
    count = refresh(window.hub)
    window.tally.count("numbers", "changes computed", count)
    return 0.0 if count else LOOK_PAUSE_SECONDS


def _beat(window: Window) -> float:
    beat(window.hub)
    return BEAT_PERIOD_SECONDS


def _publish(window: Window, channel: str) -> float:
    hub = window.hub
    with hub.database.read() as connection:
        # Most looks find nothing: they must not queue up with those that write.
        if not UpkeepStore(connection, hub.clock.now()).has_numbers(channel):
            return LOOK_PAUSE_SECONDS
    try:
        report = publish(hub, channel)
    except ConnectorError as error:
        return note_failure(window, channel, error)
    for outcome, count in report.outcomes.items():
        window.tally.count(channel, outcome, count)
    if report.refusal is not None:
        window.tally.warn(channel, report.refusal)
    elif report.total:
        window.tally.heal(channel)
    return 0.0 if report.total else LOOK_PAUSE_SECONDS
