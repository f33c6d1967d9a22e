"""Webhooks on their way under virtual time: some are lost, late, doubled, or overtake each other."""

from datetime import datetime, timedelta
from functools import partial

from nervure.operations.hub import Hub
from nervure.operations.webhooks import WebhookRefusedError, take_webhook
from simulation.agenda import Agenda
from simulation.faults import Fault, Weather
from simulation.platform import Delivery
from simulation.process import HubProcess
from simulation.trace import Trace
from simulation.world import World

ROUND_SECONDS = 30.0
"""So often what platforms do by themselves is done, and webhooks that they offer again are carried."""


class Post:
    """Carries every platform's webhooks to the hub."""

    def __init__(self, world: World, agenda: Agenda, weather: Weather, hub: HubProcess, trace: Trace) -> None:
        self._world = world
        self._agenda = agenda
        self._weather = weather
        self._hub = hub
        self._trace = trace
        self._senders = [name for name, account in world.accounts.items() if account.has_webhooks]
        self._due: dict[str, datetime] = {}

    def start(self) -> None:
        self._agenda.after(ROUND_SECONDS, self._round)

    def soon(self, account: str) -> None:
        """Something happened at a platform: what it tells of it is on its way in a moment."""
        now = self._agenda.now()
        if account not in self._senders or self._due.get(account, now) > now:
            return
        seconds = self._weather.uniform(0.2, 2.0)
        self._due[account] = now + timedelta(seconds=seconds)
        self._agenda.after(seconds, partial(self._carry, account))

    def _round(self) -> None:
        self._agenda.after(ROUND_SECONDS, self._round)
        self._world.advance()
        for account in self._senders:
            self._carry(account)

    def _carry(self, account: str) -> None:
        now, weather = self._agenda.now(), self._weather
        for delivery in self._world.accounts[account].emulator.due_webhooks(self._world.now_at(account)):
            bring = partial(self._bring, account, delivery)
            if weather.strikes(Fault.LOST, now):
                self._trace.note(account, f"webhook {delivery.delivery_id} is lost")
                self._answer(account, delivery, 200)
            elif weather.strikes(Fault.LATE, now):
                self._answer(account, delivery, 200)
                self._agenda.after(weather.uniform(60, 7200), bring)
            elif weather.strikes(Fault.REORDERED, now):
                self._answer(account, delivery, 200)
                self._agenda.after(weather.uniform(0.1, 20), bring)
            else:
                self._answer(account, delivery, bring())
                if weather.strikes(Fault.DOUBLED, now):
                    self._agenda.after(weather.uniform(0, 600), bring)

    def _answer(self, account: str, delivery: Delivery, status: int) -> None:
        self._world.accounts[account].emulator.delivered(delivery.delivery_id, status, self._world.now_at(account))

    def _bring(self, account: str, delivery: Delivery) -> int:
        """Hands a webhook to the hub; answers its status, 0 where nobody answers."""

        def work(hub: Hub) -> int:
            try:
                take_webhook(hub, account, delivery.request.headers, delivery.request.body)
            except WebhookRefusedError as error:
                return error.status
            return 200

        status = self._hub.call(work) or 0
        self._hub.counts["webhooks"] += 1
        self._trace.note(account, f"webhook {delivery.delivery_id}: {status}")
        return status
