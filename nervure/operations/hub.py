"""The hub in one process: its database, its clock, and its open connections."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from connectors.records import (
    Channel,
    ChannelConnection,
    ChannelSettings,
    Supplier,
    SupplierConnection,
    SupplierSettings,
)
from connectors.transport import Runtime, Send, cut
from nervure.clock import Clock
from nervure.inventory.counts import CountLimits
from nervure.operations.calls import Guard, shared_credential
from nervure.orders.desk import Desk
from nervure.orders.options import ShortfallPolicy
from nervure.publication.earned import Earning
from nervure.publication.shadow import Promotion
from nervure.publication.zero_guard import ZeroGuard
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection, Database
from nervure.store.desk import desk_of
from nervure.store.orders import PERSONAL_DATA_DAYS
from nervure.store.shadow import ShadowStore
from nervure.store.together import Together
from schemas.documents import Translation
from schemas.publications import DriftPolicy


@dataclass(frozen=True, slots=True)
class Search:
    """What an order lacks is counted at so many `places` that had it last, if they have not counted it for `days`."""

    days: int
    places: int = 3


Q = TypeVar("Q")
A = TypeVar("A")

MAX_POLL_SECONDS = 300.0
"""Orders are pulled at least this often, however seldom a platform asks for it."""


@dataclass(frozen=True, slots=True)
class Account:
    """One configured channel: what its platform is, and its settings. Polling may be set tighter than the default.

    `earning`: how it earns its buffers; None: it does not.
    """

    record: Channel[ChannelSettings]
    settings: ChannelSettings
    order_poll_seconds: float | None = None
    creates_items: bool = False
    drift: DriftPolicy = DriftPolicy.REPAIR
    zero_guard: ZeroGuard = field(default_factory=ZeroGuard)
    promotion: Promotion = field(default_factory=Promotion)
    shortfalls: ShortfallPolicy = field(default_factory=ShortfallPolicy)
    earning: Earning | None = None

    @property
    def order_period(self) -> timedelta:
        return timedelta(seconds=self.order_poll_seconds or self.record.capabilities.order_poll_seconds)


@dataclass(frozen=True, slots=True)
class SupplierAccount:
    """One configured supplier."""

    record: Supplier[SupplierSettings]
    settings: SupplierSettings


@dataclass
class Hub:
    """What every operation works with. Connections are opened when first used, and shared between threads.

    `wire` opens the way to an account's server; the simulated world hands in a function instead of a socket.
    """

    database: Database
    clock: Clock
    accounts: Mapping[str, Account]
    suppliers: Mapping[str, SupplierAccount]
    wire: Callable[[str, str], Send]
    callback_url: str | None = None
    personal_data_days: int = PERSONAL_DATA_DAYS
    count_limits: CountLimits = field(default_factory=CountLimits)
    search: Search | None = None
    _open: dict[str, ChannelConnection] = field(default_factory=dict)
    _together: dict[Any, Together[Any, Any]] = field(default_factory=dict)  # each work has questions of its own kind
    _lock: Lock = field(default_factory=Lock)

    def together(self, work: Callable[["Hub", Connection, Sequence[Q]], Sequence[A]]) -> Together[Q, A]:
        """Where threads ask for one kind of work: what is asked for at once is carried out as one set."""
        with self._lock:
            if work not in self._together:
                self._together[work] = Together(self.database, partial(work, self))
            return self._together[work]

    def connection(self, channel: str) -> ChannelConnection:
        """The open connection of a channel."""
        with self._lock:
            if channel not in self._open:
                account = self.accounts[channel]
                self._open[channel] = account.record.connect(
                    account.settings, self.runtime(channel, account.settings.url)
                )
            return self._open[channel]

    def supplier(self, name: str) -> AbstractContextManager[SupplierConnection]:
        """Opens a supplier's exchange."""
        account = self.suppliers[name]
        url = str(getattr(account.settings, "url", ""))
        return account.record.connect(account.settings, self.runtime(name, url))

    def runtime(self, account: str, url: str) -> Runtime:
        """Wire, clock and shared ceilings of one account. What could change a channel in the shadow does not pass."""

        def reserve(operation: str, period_seconds: float) -> float:
            now = self.clock.now()
            return self.database.run(lambda c: ChannelStore(c, now).reserve(account, operation, period_seconds))

        def is_shadow() -> bool:
            with self.database.read() as connection:
                return ShadowStore(connection, self.clock.now()).is_shadow(account)

        send = self.wire(account, url)
        if account not in self.accounts:
            return Runtime(send=send, now=self.clock.now, sleep=self.clock.sleep, reserve=reserve)
        capabilities = self.accounts[account].record.capabilities
        keeps_silence = not capabilities.throttles_by_operation
        guard = Guard(self.database, self.clock, self.credential(account), send, keeps_silence)
        wire = cut(guard, self.accounts[account].record.is_reading, is_shadow, account=account)
        return Runtime(send=wire, now=self.clock.now, sleep=self.clock.sleep, reserve=reserve, bucket=guard)

    def credential(self, channel: str) -> str:
        """The name of the credential that a channel calls with: channels that sign in alike share its budget."""
        platforms = {name: account.record.platform for name, account in self.accounts.items()}
        return shared_credential(
            channel, platforms, {name: account.settings for name, account in self.accounts.items()}
        )

    def desk(self, connection: Connection) -> Desk:
        """Order work inside one transaction."""
        now = self.clock.now()
        return desk_of(connection, now, personal_data_days=self.personal_data_days)

    def translation(self, name: str) -> Translation:
        """What a mapping may know of an account."""
        account = self.accounts.get(name)
        settings = account.settings if account else self.suppliers[name].settings
        return Translation(channel=name, time_zone=settings.time_zone)


def set_problem(hub: Hub, channel: str, problem: str) -> None:
    """Notes what a person must mend before a channel works again."""
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).set_problem(channel, problem))
