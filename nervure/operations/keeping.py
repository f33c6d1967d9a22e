"""What the loops that keep order do in one turn: what expired is let go, what was told is looked at again."""

from collections.abc import Callable
from functools import partial

from connectors.errors import ConnectorError
from nervure.invariants import check_all
from nervure.operations.asking import asked, note_failure, pull_levels, take_slot
from nervure.operations.buffers import earn_buffers
from nervure.operations.deadlines import keep_proposals
from nervure.operations.giving_up import ask_again, keep_times
from nervure.operations.hub import Hub
from nervure.operations.lots import withdraw_expired
from nervure.operations.messages import targets
from nervure.operations.proposing import make_proposals
from nervure.operations.readback import check_confirmed, pause_seconds
from nervure.operations.replanning import NoCostsError, replan_open_orders, replan_seconds
from nervure.operations.reservations import expire_reservations
from nervure.operations.scarcity import learn_scarcity
from nervure.operations.searching import search
from nervure.operations.shadow import take_sample
from nervure.operations.silence import break_silence
from nervure.operations.webhooks import callback_url
from nervure.operations.windows import Loops, Turn, Window
from nervure.store.audit import AuditStore
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.hearing import HearingStore
from nervure.store.history import HistoryStore
from nervure.store.inbox import InboxStore
from nervure.store.messages import MessageStore
from nervure.store.pace import PaceStore
from nervure.store.places import HistoryOfPlaces
from nervure.store.policies import PolicyStore
from nervure.store.publications import PublicationStore
from nervure.store.settled_tasks import SettledTaskStore
from nervure.store.shadow import ShadowStore
from nervure.store.upkeep import UpkeepStore
from nervure.store.zeros import ZeroStore
from schemas.base import counted

AGING_PERIOD_SECONDS = 15.0
EXPIRY_PERIOD_SECONDS = 5.0
DESK_PERIOD_SECONDS = 5.0
LOOK_FURTHER_PERIOD_SECONDS = 60.0
REPLAN_LOOK_SECONDS = 60.0
PROPOSE_PERIOD_SECONDS = 5.0
LOTS_PERIOD_SECONDS = 60.0
TASKS_PERIOD_SECONDS = 15.0
COMPARE_PERIOD_SECONDS = 900.0
LOOK_AGAIN_SECONDS = 30.0
CHECK_PAUSE_SECONDS = 5.0
PACE_PERIOD_SECONDS = 3_600.0
NOT_FOUND_PERIOD_SECONDS = 3_600.0
BUFFERS_PERIOD_SECONDS = 900.0
SCARCITY_PERIOD_SECONDS = 6 * 3_600.0


def sweeping(window: Window) -> Loops:
    """Lets go what expired, keeps subscriptions, closes tasks that have settled by themselves, and reads every channel
    back however seldom its stock is pulled.
    """
    loops: dict[str, Turn] = {
        f"{channel} {name}": partial(turn, window, channel)
        for channel, account in window.hub.accounts.items()
        if account.record.capabilities.can_read_levels
        for name, turn in (("read back", pull_levels), ("confirmed", _check_confirmed))
    }
    loops |= {f"{channel} shadow": partial(_compare, window, channel) for channel in window.hub.accounts}
    for channel, account in window.hub.accounts.items():
        if account.record.capabilities.has_webhooks and window.hub.callback_url is not None:
            loops[f"{channel} subscriptions"] = partial(_subscribe, window, channel)
    return loops | {
        "aging": partial(_age, window),
        "desk": partial(_keep_times, window),
        "silence": partial(_break_silence, window),
        "lots": partial(_lots, window),
        "replanning": partial(_replan, window),
        "missing": partial(_look_further, window),
        "reservations": partial(_expire, window),
        "shortfalls": partial(_propose, window),
        "pace": partial(_measure_pace, window),
        "not found": partial(_measure_not_found, window),
        "buffers": partial(_earn_buffers, window),
        "scarcity": partial(_learn_scarcity, window),
        "tasks": partial(_close_tasks, window),
    }


def _subscribe(window: Window, channel: str) -> None:
    """Makes missing subscriptions, once a window: some platforms drop them after failed deliveries."""
    with window.hub.database.read() as connection:
        state = ChannelStore(connection, window.hub.clock.now()).get(channel)
        if state.is_gated or state.is_shadow:
            return
    url = callback_url(window.hub, channel)
    made: list[str] = []

    def ensure() -> int:
        made.extend(window.hub.connection(channel).ensure_webhooks(url))
        return len(made)

    asked(window, channel, "subscriptions made", ensure)
    if not made:
        return
    with window.hub.database.read() as connection:
        had_any = HearingStore(connection, window.hub.clock.now()).has_webhooks(channel)
    if had_any:
        window.tally.warn(channel, f"subscriptions had gone, and are made again: {', '.join(sorted(made))}")
    # What happened while there was none is asked for at once.
    window.hub.database.run(lambda c: ChannelStore(c, window.hub.clock.now()).want_orders(channel))


def _compare(window: Window, channel: str) -> float:
    """A channel in the shadow is compared now and then with what it shows."""
    with window.hub.database.read() as connection:
        if not ShadowStore(connection, window.hub.clock.now()).is_shadow(channel):
            return LOOK_AGAIN_SECONDS
    wait = take_slot(window.hub, channel, "compare", LOOK_AGAIN_SECONDS)
    if wait == 0.0:
        wait = LOOK_AGAIN_SECONDS
        day = take_sample(window.hub, channel)
        if day is not None:
            wait = COMPARE_PERIOD_SECONDS
            hub = window.hub
            hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).keep(channel, "compare", wait))
            window.tally.count(channel, "numbers compared today", day.compared)
            window.tally.count(channel, "of them differing", day.differing)
    return wait


def _check_confirmed(window: Window, channel: str) -> float:
    """Looks whether the riskiest numbers that the channel confirmed are there."""
    pause = pause_seconds(window.hub.accounts[channel].record.capabilities)
    try:
        outcomes = check_confirmed(window.hub, channel)
    except ConnectorError as error:
        return max(note_failure(window, channel, error), pause)
    for outcome, count in outcomes.items():
        window.tally.count(channel, outcome, count)
    return pause if outcomes else CHECK_PAUSE_SECONDS


def _measure_pace(window: Window) -> float:
    """Measures how fast items sell, for the order in which numbers are sent and read back."""

    def measure() -> None:
        window.hub.database.run(lambda c: PaceStore(c, window.hub.clock.now()).measure())

    return _in_turn(window, "sales pace", PACE_PERIOD_SECONDS, measure)


def _measure_not_found(window: Window) -> float:
    """Counts how often locations did not find what they were to send, for all orders until the next time."""

    def measure() -> None:
        window.hub.database.run(lambda c: HistoryOfPlaces(c, window.hub.clock.now()).measure_not_found())

    return _in_turn(window, "not found", NOT_FOUND_PERIOD_SECONDS, measure)


def _earn_buffers(window: Window) -> float:
    """Computes the buffers that are earned."""

    def earn() -> None:
        window.tally.count("policies", "earned buffers changed", earn_buffers(window.hub))

    return _in_turn(window, "earned buffers", BUFFERS_PERIOD_SECONDS, earn)


def _learn_scarcity(window: Window) -> float:
    """Learns what units are worth to later orders, where the settings want it."""

    def learn() -> None:
        window.tally.count("routing", "prices of scarce units", learn_scarcity(window.hub))

    return _in_turn(window, "scarcity", SCARCITY_PERIOD_SECONDS, learn)


def _in_turn(window: Window, operation: str, period_seconds: float, work: Callable[[], None]) -> float:
    """Does something once in so many seconds, whichever window it is; answers the seconds to wait."""
    wait = take_slot(window.hub, "hub", operation, period_seconds)
    if wait > 0.0:
        return wait
    work()
    return period_seconds


def _age(window: Window) -> float:
    hub = window.hub
    turned = hub.database.run(lambda c: PublicationStore(c, hub.clock.now()).note_aging())
    window.tally.count("suppliers", "times to live that turned", turned)
    ended = hub.database.run(lambda c: PolicyStore(c, hub.clock.now()).note_days())
    window.tally.count("policies", "last days that passed", ended)
    again = hub.database.run(lambda c: PublicationStore(c, hub.clock.now()).try_failed_again())
    window.tally.count("channels", "numbers that failed and are tried again", again)
    with hub.database.read() as connection:
        upkeep = UpkeepStore(connection, hub.clock.now())
        overdue, differing = upkeep.overdue_flights(), upkeep.differing()
        stranded = MessageStore(connection, hub.clock.now()).stranded(targets(hub))
        held = ZeroStore(connection, hub.clock.now()).held_counts()
    for channel, count in overdue.items():
        window.tally.warn(
            channel, f"{counted(count, 'number was', 'numbers were')} sent and not read back: is publishing running?"
        )
    for channel, count in differing.items():
        window.tally.warn(
            channel,
            f"{counted(count, 'confirmed number differs', 'confirmed numbers differ')} from what the channel shows",
        )
    for channel, count in held.items():
        hub.database.run(partial(_look_again, hub, channel))
        window.tally.needs_person(
            f"{channel} zeros",
            f"{counted(count, 'number')} fell to 0 at once and {'is' if count == 1 else 'are'} held:"
            f" `nervure channels zeros {channel}`",
        )
    for target, count in stranded.items():
        window.tally.warn(
            target, f"{counted(count, 'message waits', 'messages wait')} for it, and the settings do not name it"
        )
    return AGING_PERIOD_SECONDS


def _look_again(hub: Hub, channel: str, connection: Connection) -> None:
    """As long as zeroes are held there is a task, whoever closed it."""
    ZeroStore(connection, hub.clock.now()).look_again(channel)


def _expire(window: Window) -> float:
    count = expire_reservations(window.hub)
    window.tally.count("reservations", "expired", count)
    return EXPIRY_PERIOD_SECONDS


def _propose(window: Window) -> float:
    window.tally.count("shortfalls", "proposed, or done at once", make_proposals(window.hub))
    unanswered, served = keep_proposals(window.hub)
    window.tally.count("shortfalls", "not answered in time", unanswered)
    window.tally.count("shortfalls", "proposals that nobody needs any more", served)
    return PROPOSE_PERIOD_SECONDS


def _keep_times(window: Window) -> float:
    offered, moved, back = keep_times(window.hub)
    window.tally.count("desk", "fulfillment orders offered", offered)
    window.tally.count("desk", "not accepted in time, served from elsewhere", moved)
    window.tally.count("desk", "not fetched in time, for sale again", back)
    return DESK_PERIOD_SECONDS


def _break_silence(window: Window) -> float:
    """By itself: suppliers are asked over the network, and nobody at a desk waits for that."""
    window.tally.count("suppliers", "silent, served from elsewhere", break_silence(window.hub))
    return DESK_PERIOD_SECONDS


def _replan(window: Window) -> float:
    """Plans open orders anew together, as often as the settings want it."""
    hub = window.hub
    period = replan_seconds(hub)
    if period is None:
        return REPLAN_LOOK_SECONDS
    wait = take_slot(hub, "hub", "replan", period)
    if wait == 0.0:
        try:
            found = replan_open_orders(hub)
        except NoCostsError as error:
            window.tally.warn("routing", str(error))
            return REPLAN_LOOK_SECONDS
        if found.left_out:
            window.tally.warn(
                "routing", f"{found.left_out} more open orders were not planned this time: too many at once"
            )
        window.tally.count("routing", "open orders planned together", found.plan.orders)
        window.tally.count("routing", "orders served from elsewhere, cheaper", len(found.made))
        window.tally.count("routing", "plans that had changed meanwhile", found.outdated)
        wait = period
    return min(wait, REPLAN_LOOK_SECONDS)


def _look_further(window: Window) -> float:
    """What orders lack is asked of who declined it, and looked for where it was last."""
    window.tally.count("desk", "orders served by who had declined before", ask_again(window.hub))
    window.tally.count("desk", "counts of what orders lack", search(window.hub))
    return LOOK_FURTHER_PERIOD_SECONDS


def _lots(window: Window) -> float:
    window.tally.count("lots", "expired units put on hold", withdraw_expired(window.hub))
    return LOTS_PERIOD_SECONDS


def _close_tasks(window: Window) -> float:
    hub = window.hub
    count = hub.database.run(lambda c: SettledTaskStore(c, hub.clock.now()).close_settled())
    window.tally.count("tasks", "closed by themselves", count)
    return TASKS_PERIOD_SECONDS


def forgetting(window: Window) -> Loops:
    """Deletes raw documents and personal data whose time is over, once."""
    hub = window.hub

    def turn() -> None:
        bodies = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).forget_bodies())
        persons = hub.database.run(lambda c: UpkeepStore(c, hub.clock.now()).forget_persons())
        window.tally.count("inbox", "documents forgotten", bodies)
        window.tally.count("orders", "persons forgotten", persons)
        answers = 0
        while done := hub.database.run(lambda c: HistoryStore(c, hub.clock.now()).forget()):
            answers += done
        window.tally.count("publications", "answers forgotten", answers)

    return {"retention": turn}


def checking(window: Window) -> Loops:
    """Looks once whether everything holds that always must."""
    hub = window.hub

    def turn() -> None:
        with hub.database.read() as connection:
            found = check_all(AuditStore(connection))
        window.tally.count("rules", "violations", len(found))
        for rule in sorted({one.rule for one in found}):
            subjects = [one for one in found if one.rule == rule]
            window.tally.needs_person(
                rule, f"{len(subjects)} times, first {subjects[0].subject}: {subjects[0].text}. Please report it."
            )

    return {"rules": turn}
