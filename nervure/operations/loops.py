"""What the loops of each window do in one turn: ask, understand, tell, and keep in order."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from connectors.errors import CircuitOpenError, ConnectorError, FatalError, FeedHeldError, ThrottledError
from nervure.invariants import check_all
from nervure.operations.buffers import earn_buffers
from nervure.operations.drain import drain
from nervure.operations.giving_up import ask_again, keep_times
from nervure.operations.hub import Hub
from nervure.operations.lots import withdraw_expired
from nervure.operations.messages import send_to, targets
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import are_orders_due, pull_catalogue, pull_orders, pull_stock
from nervure.operations.readback import check_confirmed, pause_seconds
from nervure.operations.replanning import NoCostsError, replan_open_orders, replan_seconds
from nervure.operations.reservations import expire_reservations
from nervure.operations.restores import beat
from nervure.operations.scarcity import learn_scarcity
from nervure.operations.searching import search
from nervure.operations.shadow import take_sample
from nervure.operations.shortfalls import keep_proposals, make_proposals
from nervure.operations.silence import break_silence
from nervure.operations.suppliers import pull_offers, pull_replies
from nervure.operations.webhooks import callback_url
from nervure.operations.windows import RETRY_PAUSE_SECONDS, Loops, Turn, Window
from nervure.store.audit import AuditStore
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.hearing import HearingStore
from nervure.store.history import HistoryStore
from nervure.store.inbox import DeadLetter, InboxStore
from nervure.store.messages import MessageStore
from nervure.store.pace import PaceStore
from nervure.store.policies import PolicyStore
from nervure.store.publications import PublicationStore
from nervure.store.tasks import TaskStore
from nervure.store.upkeep import UpkeepStore
from nervure.store.zeros import ZeroStore

DRAIN_PAUSE_SECONDS = 0.1
LOOK_PAUSE_SECONDS = 0.25
"""How long after a look that found nothing the next one follows."""
MESSAGES_PAUSE_SECONDS = 0.5
PROBLEM_PAUSE_SECONDS = 60.0
MAX_OFFERS_PERIOD_SECONDS = 900.0
REPLIES_PERIOD_SECONDS = 30.0
AGING_PERIOD_SECONDS = 15.0
EXPIRY_PERIOD_SECONDS = 5.0
DESK_PERIOD_SECONDS = 5.0
LOOK_FURTHER_PERIOD_SECONDS = 60.0
PROPOSE_PERIOD_SECONDS = 5.0
LOTS_PERIOD_SECONDS = 60.0
TASKS_PERIOD_SECONDS = 15.0
BEAT_PERIOD_SECONDS = 15.0
COMPARE_PERIOD_SECONDS = 900.0
LOOK_AGAIN_SECONDS = 30.0
READ_BACK_PERIOD_SECONDS = 900.0
CHECK_PAUSE_SECONDS = 5.0
PACE_PERIOD_SECONDS = 3_600.0
BUFFERS_PERIOD_SECONDS = 900.0
SCARCITY_PERIOD_SECONDS = 6 * 3_600.0


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


# -- asking ------------------------------------------------------------------------------------------------------


def pulling_orders(window: Window) -> Loops:
    """Each channel is asked when it is due, or at once when it said that something happened."""
    return {channel: partial(_pull_orders, window, channel) for channel in window.hub.accounts}


def _pull_orders(window: Window, channel: str) -> float:
    if not are_orders_due(window.hub, channel):
        return LOOK_PAUSE_SECONDS
    _asked(window, channel, "new documents", lambda: pull_orders(window.hub, channel))
    return LOOK_PAUSE_SECONDS


def pulling_catalogue(window: Window) -> Loops:
    """Each channel's listings, once."""

    def turn(channel: str) -> None:
        _asked(window, channel, "new listings", lambda: pull_catalogue(window.hub, channel))

    return {channel: partial(turn, channel) for channel in window.hub.accounts}


def pulling_stock(window: Window) -> Loops:
    """What channels show, what suppliers have, and what suppliers answered."""
    loops: dict[str, Turn] = {channel: partial(_pull_stock, window, channel) for channel in window.hub.accounts}
    for supplier in window.hub.suppliers:
        loops[supplier] = partial(_pull_offers, window, supplier)
        loops[f"{supplier} replies"] = partial(_pull_replies, window, supplier)
    return loops


def _pull_stock(window: Window, channel: str) -> float:
    hub = window.hub
    capabilities = hub.accounts[channel].record.capabilities
    if not capabilities.can_read_levels:
        return PROBLEM_PAUSE_SECONDS
    with hub.database.read() as connection:
        next_at = ChannelStore(connection, hub.clock.now()).get(channel).stock_next_at
    if next_at is not None and next_at > hub.clock.now():
        return LOOK_PAUSE_SECONDS * 4
    period = min(capabilities.stock_poll_seconds, READ_BACK_PERIOD_SECONDS)
    # Taken before it is done: of the windows that pull and sweep only one asks.
    _stock_again_in(hub, channel, period)
    wait = _asked(window, channel, "observations", lambda: pull_stock(hub, channel))
    if wait is not None:
        _stock_again_in(hub, channel, min(wait, period))
    return LOOK_PAUSE_SECONDS * 4


def _stock_again_in(hub: Hub, channel: str, seconds: float) -> None:
    next_at = hub.clock.now() + timedelta(seconds=seconds)
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).stock_heard(channel, next_at))


def _pull_offers(window: Window, supplier: str) -> float:
    period = min(window.hub.suppliers[supplier].settings.ttl_seconds / 4, MAX_OFFERS_PERIOD_SECONDS)
    wait = _slot(window.hub, supplier, "pull offers", period)
    if wait == 0.0:
        _asked(window, supplier, "feeds", lambda: pull_offers(window.hub, supplier))
        wait = period
    return wait


def _pull_replies(window: Window, supplier: str) -> float:
    wait = _slot(window.hub, supplier, "pull replies", REPLIES_PERIOD_SECONDS)
    if wait == 0.0:
        _asked(window, supplier, "replies read", lambda: pull_replies(window.hub, supplier), heals=False)
        wait = REPLIES_PERIOD_SECONDS
    return wait


def _slot(hub: Hub, account: str, operation: str, period_seconds: float) -> float:
    """Takes the account's next slot, for all windows together; else the seconds until one is free."""
    return hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).reserve(account, operation, period_seconds))


def _asked(window: Window, account: str, kind: str, ask: Callable[[], int], *, heals: bool = True) -> float | None:
    """Asks once and notes what became of it; answers None, or after a failure the seconds to wait."""
    try:
        window.tally.count(account, kind, ask())
    except ConnectorError as error:
        return _note_failure(window, account, error)
    if heals:
        window.tally.heal(account)
    return None


def _note_failure(window: Window, account: str, error: ConnectorError) -> float:
    match error:
        case CircuitOpenError():
            window.tally.warn(account, str(error))
            return error.retry_after_seconds
        case ThrottledError():
            window.tally.count(account, "throttled")
            return error.retry_after_seconds
        case FatalError() | FeedHeldError():
            window.tally.needs_person(account, str(error))
            return PROBLEM_PAUSE_SECONDS
        case _:
            window.tally.warn(account, str(error))
            return RETRY_PAUSE_SECONDS


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
        return _note_failure(window, channel, error)
    for outcome, count in report.outcomes.items():
        window.tally.count(channel, outcome, count)
    if report.total:
        window.tally.heal(channel)
    return 0.0 if report.total else LOOK_PAUSE_SECONDS


# -- keeping in order --------------------------------------------------------------------------------------------


def sweeping(window: Window) -> Loops:
    """Lets go what expired, keeps subscriptions, closes tasks that have settled by themselves, and reads every channel
    back however seldom its stock is pulled.
    """
    loops: dict[str, Turn] = {
        f"{channel} {name}": partial(turn, window, channel)
        for channel, account in window.hub.accounts.items()
        if account.record.capabilities.can_read_levels
        for name, turn in (("read back", _pull_stock), ("confirmed", _check_confirmed))
    }
    loops |= {f"{channel} shadow": partial(_compare, window, channel) for channel in window.hub.accounts}
    for channel, account in window.hub.accounts.items():
        if account.record.capabilities.has_webhooks and window.hub.callback_url is not None:
            loops[f"{channel} subscriptions"] = partial(_subscribe, window, channel)
    return loops | {
        "aging": partial(_age, window),
        "desk": partial(_keep_times, window),
        "lots": partial(_lots, window),
        "replanning": partial(_replan, window),
        "missing": partial(_look_further, window),
        "reservations": partial(_expire, window),
        "shortfalls": partial(_propose, window),
        "pace": partial(_measure_pace, window),
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

    _asked(window, channel, "subscriptions made", ensure)
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
    wait = _slot(window.hub, channel, "compare", LOOK_AGAIN_SECONDS)
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
        return max(_note_failure(window, channel, error), pause)
    for outcome, count in outcomes.items():
        window.tally.count(channel, outcome, count)
    return pause if outcomes else CHECK_PAUSE_SECONDS


def _measure_pace(window: Window) -> float:
    """Measures how fast items sell, for the order in which numbers are sent and read back."""
    wait = _slot(window.hub, "hub", "sales pace", PACE_PERIOD_SECONDS)
    if wait == 0.0:
        window.hub.database.run(lambda c: PaceStore(c, window.hub.clock.now()).measure())
        wait = PACE_PERIOD_SECONDS
    return wait


def _earn_buffers(window: Window) -> float:
    """Computes the buffers that are earned."""
    wait = _slot(window.hub, "hub", "earned buffers", BUFFERS_PERIOD_SECONDS)
    if wait == 0.0:
        window.tally.count("policies", "earned buffers changed", earn_buffers(window.hub))
        wait = BUFFERS_PERIOD_SECONDS
    return wait


def _learn_scarcity(window: Window) -> float:
    """Learns what units are worth to later orders, where the settings want it."""
    wait = _slot(window.hub, "hub", "scarcity", SCARCITY_PERIOD_SECONDS)
    if wait == 0.0:
        window.tally.count("routing", "prices of scarce units", learn_scarcity(window.hub))
        wait = SCARCITY_PERIOD_SECONDS
    return wait


def _age(window: Window) -> float:
    hub = window.hub
    turned = hub.database.run(lambda c: PublicationStore(c, hub.clock.now()).note_aging())
    window.tally.count("suppliers", "times to live that turned", turned)
    ended = hub.database.run(lambda c: PolicyStore(c, hub.clock.now()).note_days())
    window.tally.count("policies", "last days that passed", ended)
    with hub.database.read() as connection:
        upkeep = UpkeepStore(connection, hub.clock.now())
        overdue, differing = upkeep.overdue_flights(), upkeep.differing()
        stranded = MessageStore(connection, hub.clock.now()).stranded(targets(hub))
        held = ZeroStore(connection, hub.clock.now()).held_counts()
    for channel, count in overdue.items():
        window.tally.warn(channel, f"{count} numbers were sent and nobody has read them back: is publishing running?")
    for channel, count in differing.items():
        window.tally.warn(channel, f"{count} confirmed numbers differ from what the channel shows")
    for channel, count in held.items():
        hub.database.run(partial(_look_again, hub, channel))
        window.tally.needs_person(
            f"{channel} zeros", f"{count} numbers fell to 0 at once and are held: `nervure channels zeros {channel}`"
        )
    for target, count in stranded.items():
        window.tally.warn(target, f"{count} messages wait for it, and the settings do not name it")
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
    window.tally.count("suppliers", "silent, served from elsewhere", break_silence(window.hub))
    return DESK_PERIOD_SECONDS


def _replan(window: Window) -> float:
    """Plans open orders anew together, as often as the settings want it."""
    hub = window.hub
    period = replan_seconds(hub)
    if period is None:
        return PROBLEM_PAUSE_SECONDS
    wait = _slot(hub, "hub", "replan", period)
    if wait == 0.0:
        try:
            found = replan_open_orders(hub)
        except NoCostsError as error:
            window.tally.warn("routing", str(error))
            return PROBLEM_PAUSE_SECONDS
        window.tally.count("routing", "open orders planned together", found.plan.orders)
        window.tally.count("routing", "orders served from elsewhere, cheaper", len(found.made))
        window.tally.count("routing", "plans that had changed meanwhile", found.outdated)
        wait = period
    return min(wait, PROBLEM_PAUSE_SECONDS)


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
    count = hub.database.run(lambda c: TaskStore(c, hub.clock.now()).close_settled())
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
