"""What can go wrong with a platform, named by what the caller does next.

    ConnectorError
    ├── RetriableError            the same call may work later
    │   ├── ThrottledError        the platform, or its declared ceiling, says wait: `retry_after_seconds`
    │   │   └── CircuitOpenError  the platform was down again and again: nobody calls it before it is tried again
    │   ├── UnavailableError      the platform is down or unreachable; nothing was done
    │   └── NoAnswerError         sent, but no answer came: whether it had an effect is unknown
    ├── FatalError                a person must act before any call can work
    │   ├── CredentialsError      sign-in refused
    │   ├── ScopeError            signed in, but not allowed to do this
    │   └── ContractError         the platform answered something its contract does not know
    ├── ShadowError               nothing that could change the channel may leave; nothing was sent
    ├── RefusedError              this one document or row is refused; others are not concerned
    └── FeedHeldError             a supplier's feed looks wrong: held whole, nothing of it is applied

A message names the thing and the platform's request id, and never a secret or a whole body.
"""

import re

_REQUEST = re.compile(r" \(request [^()]*\)$")


class ConnectorError(Exception):
    """Any failure of a platform. `request_id` is the platform's, for its support."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message if request_id is None else f"{message} (request {request_id})")
        self.request_id = request_id


def without_request(message: str) -> str:
    """A message without the request id, which differs from call to call though the cause is the same."""
    return _REQUEST.sub("", message)


class RetriableError(ConnectorError):
    """The same call may work later."""


class ThrottledError(RetriableError):
    """Wait `retry_after_seconds`, then call again."""

    def __init__(self, message: str, *, retry_after_seconds: float, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class CircuitOpenError(ThrottledError):
    """The platform did not answer many calls in a row: nothing was sent."""


class UnavailableError(RetriableError):
    """Down or unreachable; the call had no effect."""


class NoAnswerError(RetriableError):
    """Sent, never answered: the effect is unknown and must be read back."""


class FatalError(ConnectorError):
    """A person must act."""


class CredentialsError(FatalError):
    """Sign-in was refused."""


class ScopeError(FatalError):
    """The credential may not do this."""


class ContractError(FatalError):
    """The answer is not what the contract says."""


class ShadowError(ConnectorError):
    """The channel is in the shadow: the call was not sent."""


class RefusedError(ConnectorError):
    """This one is refused, with the platform's reason."""


class FeedHeldError(ConnectorError):
    """A feed that looks wrong is held whole."""
