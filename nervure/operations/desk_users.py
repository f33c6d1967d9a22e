"""Who may use the desk of a location: people with a password, and what they prove that they are signed in with."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from datetime import timedelta

from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.store.database import Connection
from nervure.store.desk_users import DeskUser, DeskUserStore
from nervure.store.locations import LocationStore

SESSION_HOURS = 12
"""A working day: then somebody signs in again."""
MAX_FAILURES = 5
FAILURES_SECONDS = 900
"""So many wrong passwords within this time, and nobody signs in under this name for a while."""
MIN_PASSWORD = 8
MAX_PASSWORD = 1_000
MAX_NAME = 100

_COST, _BLOCK, _LANES = 2**14, 8, 5
"""Of scrypt, as OWASP advises where 16 MiB are to be enough."""


class UnknownDeskUserError(UnknownError):
    """Nobody of this name works there, or there is no such place."""


class SignInError(RefusalError):
    """Name, password or place are wrong."""


class TooManyFailuresError(SignInError):
    """They were wrong too often a moment ago."""


def hash_password(password: str, salt: bytes) -> str:
    """The salted hash of a password, with what is needed to check it."""
    made = hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES)
    return f"scrypt${_COST}${_BLOCK}${_LANES}${b64encode(salt).decode()}${b64encode(made).decode()}"


def is_password(password: str, hashed: str) -> bool:
    """Whether a password has this hash; costs as much where it has not."""
    _, cost, block, lanes, salt, _ = hashed.split("$")
    made = hashlib.scrypt(password.encode(), salt=b64decode(salt), n=int(cost), r=int(block), p=int(lanes))
    return hmac.compare_digest(b64encode(made).decode(), hashed.rpartition("$")[2])


_NOBODY = hash_password("", b"nobody")
"""Checked where there is no such person: how long an answer takes does not tell who works there."""


def add_user(hub: Hub, location: str, name: str, password: str) -> bool:
    """Gives somebody a password for the desk of a location; False: they had one, and this is the new one.

    Raises:
        UnknownDeskUserError: no such location.
        RefusalError: the name or the password cannot be used.
    """
    if not 1 <= len(name.strip()) <= MAX_NAME or not name.isprintable():
        raise RefusalError(f"a name has 1 to {MAX_NAME} printable characters")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise RefusalError(f"a password has at least {MIN_PASSWORD} characters")
    hashed = hash_password(password, secrets.token_bytes(16))

    def work(connection: Connection) -> bool:
        found = LocationStore(connection, hub.clock.now()).ids([location])
        if location not in found:
            raise UnknownDeskUserError(f"location {location!r} is not known")
        return DeskUserStore(connection, hub.clock.now()).put(found[location], name.strip(), hashed)

    return hub.database.run(work)


def remove_user(hub: Hub, location: str, name: str) -> None:
    """Somebody may not use the desk any more, from now on; what they did stays on record.

    Raises:
        UnknownDeskUserError: nobody of this name may.
    """
    if not hub.database.run(lambda c: DeskUserStore(c, hub.clock.now()).disable(location, name)):
        raise UnknownDeskUserError(f"nobody named {name!r} uses the desk of {location!r}")


def users(hub: Hub) -> list[DeskUser]:
    """Everybody who may use a desk."""
    with hub.database.read() as connection:
        return [one for one in DeskUserStore(connection, hub.clock.now()).all() if not one.is_disabled]


def sign_in(hub: Hub, location: str, name: str, password: str, *, token: str) -> DeskUser:
    """Opens a session that whoever shows `token` has; every attempt is noted.

    Raises:
        SignInError: wrong, or too often wrong.
    """
    now = hub.clock.now()
    place, who = location.strip()[:MAX_NAME], name.strip()[:MAX_NAME]

    def begin(connection: Connection) -> tuple[DeskUser | None, int]:
        store = DeskUserStore(connection, now)
        found = store.find(place, who)
        # Counted before it is checked: of many that come at once, not one more is checked.
        if store.failures_since(place, who, now - timedelta(seconds=FAILURES_SECONDS)) >= MAX_FAILURES:
            raise TooManyFailuresError(f"too many wrong passwords: try again in {FAILURES_SECONDS // 60} minutes")
        return found, store.note_attempt(place, who)

    found, attempt = hub.database.run(begin)
    # Outside any transaction: it takes a good part of a second on purpose.
    is_right = is_password(password[:MAX_PASSWORD], _NOBODY if found is None else found.password_hash)
    if found is None or not is_right or found.is_disabled:
        raise SignInError("place, name or password are wrong")
    user = found

    def end(connection: Connection) -> None:
        store = DeskUserStore(connection, now)
        store.succeeded(attempt)
        store.open_session(user.id, hash_token(token), now + timedelta(hours=SESSION_HOURS))

    hub.database.run(end)
    return user


def signed_in(hub: Hub, token: str) -> DeskUser | None:
    """Who shows this token; None: nobody who is signed in."""
    with hub.database.read() as connection:
        return DeskUserStore(connection, hub.clock.now()).signed_in(hash_token(token))


def sign_out(hub: Hub, token: str) -> None:
    """Ends a session."""
    hub.database.run(lambda c: DeskUserStore(c, hub.clock.now()).end_session(hash_token(token)))


def hash_token(token: str) -> str:
    """What is kept of a token: who reads the database cannot sign in with it."""
    return hashlib.sha256(token.encode()).hexdigest()
