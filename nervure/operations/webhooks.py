"""Webhooks: the raw bytes are verified, stored, and acknowledged."""

from collections.abc import Mapping

from connectors.errors import RefusedError
from connectors.records import IncomingWebhook
from nervure.operations.hub import Hub
from nervure.operations.pull import store

MAX_BODY_BYTES = 5_000_000
"""Larger than any order document; whatever is larger is not one."""


class WebhookRefusedError(Exception):
    """A webhook that is not taken, with the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def take_webhook(hub: Hub, channel: str, headers: Mapping[str, str], body: bytes) -> int:
    """Stores the documents of one webhook; answers how many were new.

    Raises:
        WebhookRefusedError: unknown channel, wrong or missing signature, or no document.
    """
    account = hub.accounts.get(channel)
    if account is None or account.record.receive is None:
        raise WebhookRefusedError(404, f"no channel {channel!r} takes webhooks")
    url = callback_url(hub, channel)
    try:
        documents = account.record.receive(account.settings, IncomingWebhook(url, headers, body))
    except RefusedError as error:
        raise WebhookRefusedError(401, str(error)) from error
    return store(hub, channel, tuple(documents))


def callback_url(hub: Hub, channel: str) -> str:
    """Where a platform sends this channel's webhooks: some sign the address too, so it is told, not guessed."""
    return f"{(hub.callback_url or '').rstrip('/')}/webhooks/{channel}"
