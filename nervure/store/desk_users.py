"""Who works at which location, in SQL: people, their sessions, and every attempt to sign in."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LOCATION

USER = tables.of(tables.DeskUserRow)
SESSION = tables.of(tables.DeskSessionRow)
SIGN_IN = tables.of(tables.DeskSignInRow)


@dataclass(frozen=True, slots=True)
class DeskUser:
    """Somebody who works at one location."""

    id: int
    name: str
    location: str
    location_name: str
    time_zone: str
    password_hash: str
    is_disabled: bool


class DeskUserStore:
    """The people of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, location_id: int, name: str, password_hash: str) -> bool:
        """Writes somebody, or their new password, which ends all their sessions; answers whether they are new."""
        row = {"location_id": location_id, "name": name, "password_hash": password_hash, "created_at": self._now}
        is_new = bool(insert_new(self._connection, USER, [row]))
        its = sa.and_(USER.c.location_id == location_id, USER.c.name == name)
        changed = USER.update().where(its).values(password_hash=password_hash, disabled_at=None).returning(USER.c.id)
        self._end_sessions(int(self._connection.execute(changed).scalar_one()))
        return is_new

    def disable(self, location: str, name: str) -> bool:
        """Somebody does not work there any more; False: nobody of that name does."""
        places = sa.select(LOCATION.c.id).where(LOCATION.c.code == location)
        left = self._connection.execute(
            USER.update()
            .where(USER.c.location_id.in_(places), USER.c.name == name, USER.c.disabled_at.is_(None))
            .values(disabled_at=self._now)
            .returning(USER.c.id)
        ).scalar_one_or_none()
        if left is None:
            return False
        self._end_sessions(left)
        return True

    def find(self, location: str, name: str) -> DeskUser | None:
        """Somebody by name and location, working there or not; whoever else looks waits until the end."""
        query = self._users().where(LOCATION.c.code == location, USER.c.name == name)
        row = self._connection.execute(query.with_for_update(of=USER)).one_or_none()
        return None if row is None else _as_user(row)

    def all(self) -> list[DeskUser]:
        """Everybody, by location and name."""
        return [_as_user(row) for row in self._connection.execute(self._users().order_by(LOCATION.c.code, USER.c.name))]

    def note_attempt(self, location: str, name: str) -> int:
        """Writes an attempt, which has failed until it is said to have succeeded; answers its number."""
        row = {"location": location, "name": name, "succeeded": False, "recorded_at": self._now}
        return int(self._connection.execute(SIGN_IN.insert().values(**row).returning(SIGN_IN.c.id)).scalar_one())

    def succeeded(self, attempt: int) -> None:
        """An attempt has succeeded."""
        self._connection.execute(SIGN_IN.update().where(SIGN_IN.c.id == attempt).values(succeeded=True))

    def failures_since(self, location: str, name: str, since: datetime) -> int:
        """How often a sign-in failed since then, or since the last that succeeded."""
        its = sa.and_(SIGN_IN.c.location == location, SIGN_IN.c.name == name, SIGN_IN.c.recorded_at > since)
        last = sa.select(sa.func.coalesce(sa.func.max(SIGN_IN.c.id), 0)).where(its, SIGN_IN.c.succeeded.is_(True))
        failed = sa.select(sa.func.count()).where(
            its, SIGN_IN.c.succeeded.is_(False), SIGN_IN.c.id > last.scalar_subquery()
        )
        return int(self._connection.execute(failed).scalar_one())

    def open_session(self, user_id: int, token_hash: str, expires_at: datetime) -> None:
        """Somebody is signed in; sessions of theirs that are over are deleted."""
        self._connection.execute(
            SESSION.delete().where(SESSION.c.desk_user_id == user_id, SESSION.c.expires_at <= self._now)
        )
        row = {"desk_user_id": user_id, "token_hash": token_hash, "created_at": self._now, "expires_at": expires_at}
        self._connection.execute(SESSION.insert().values(**row))

    def signed_in(self, token_hash: str) -> DeskUser | None:
        """Whose session this is; None: nobody's, or not any more."""
        query = (
            self._users()
            .join(SESSION, SESSION.c.desk_user_id == USER.c.id)
            .where(SESSION.c.token_hash == token_hash, SESSION.c.expires_at > self._now, USER.c.disabled_at.is_(None))
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _as_user(row)

    def end_session(self, token_hash: str) -> None:
        """Somebody signs out."""
        self._connection.execute(SESSION.delete().where(SESSION.c.token_hash == token_hash))

    def _end_sessions(self, user_id: int) -> None:
        self._connection.execute(SESSION.delete().where(SESSION.c.desk_user_id == user_id))

    @staticmethod
    def _users() -> sa.Select[tuple[object, ...]]:
        return sa.select(USER, LOCATION.c.code, LOCATION.c.name.label("location_name"), LOCATION.c.time_zone).join(
            LOCATION, LOCATION.c.id == USER.c.location_id
        )


def _as_user(row: sa.Row[*tuple[object, ...]]) -> DeskUser:
    return DeskUser(
        row.id,
        row.name,
        row.code,
        row.location_name,
        row.time_zone,
        row.password_hash,
        is_disabled=row.disabled_at is not None,
    )
