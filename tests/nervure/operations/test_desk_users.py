"""Who may use the desk of a location, and for how long."""

import pytest

from nervure.operations.desk_users import (
    SignInError,
    TooManyFailuresError,
    UnknownDeskUserError,
    add_user,
    hash_password,
    is_password,
    remove_user,
    sign_in,
    sign_out,
    signed_in,
    users,
)
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.store.database import Database
from nervure.store.desk_users import SESSION, SIGN_IN, USER
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import at_once

WORD = "correct horse"


def hub_on(database: Database) -> Hub:
    hub = scripted_hub(database, {"shop": ScriptedShop()})
    assert add_user(hub, "lyon", "Ana", WORD)
    return hub


def test_a_password_is_kept_as_a_salted_hash_only(both: Database) -> None:
    hub = hub_on(both)
    assert add_user(hub, "paris", "Ana", WORD), "the same name at another location is somebody else"
    with looking(hub) as world:
        first, second = world.connection.execute(USER.select()).all()
    assert first.password_hash != second.password_hash
    assert WORD not in first.password_hash
    assert is_password(WORD, first.password_hash)
    assert not is_password("correct horsf", first.password_hash)
    assert hash_password("a", b"1") != hash_password("a", b"2")


def test_somebody_is_signed_in_until_they_sign_out_or_the_day_is_over(both: Database) -> None:
    hub = hub_on(both)
    assert signed_in(hub, "T1") is None
    assert sign_in(hub, "lyon", " Ana ", WORD, token="T1").location == "lyon"
    sign_in(hub, "lyon", "Ana", WORD, token="T2")
    found = signed_in(hub, "T1")
    assert found is not None
    assert (found.name, found.location) == ("Ana", "lyon")
    with looking(hub) as world:
        assert "T1" not in str(world.connection.execute(SESSION.select()).all())
    sign_out(hub, "T1")
    assert signed_in(hub, "T1") is None
    assert signed_in(hub, "T2") is not None
    advance(hub, 12 * 3600)
    assert signed_in(hub, "T2") is None


def test_a_new_password_or_leaving_ends_every_session(both: Database) -> None:
    hub = hub_on(both)
    sign_in(hub, "lyon", "Ana", WORD, token="T1")
    assert not add_user(hub, "lyon", "Ana", "battery staple")
    assert signed_in(hub, "T1") is None
    sign_in(hub, "lyon", "Ana", "battery staple", token="T2")
    remove_user(hub, "lyon", "Ana")
    assert signed_in(hub, "T2") is None
    assert users(hub) == []
    with pytest.raises(SignInError, match="place, name or password are wrong"):
        sign_in(hub, "lyon", "Ana", "battery staple", token="T3")
    with pytest.raises(UnknownDeskUserError, match="nobody named 'Ana' uses the desk of 'lyon'"):
        remove_user(hub, "lyon", "Ana")


def test_after_five_wrong_passwords_even_the_right_one_waits(both: Database) -> None:
    hub = hub_on(both)
    for turn in range(5):
        with pytest.raises(SignInError, match="place, name or password are wrong"):
            sign_in(hub, "lyon", "Ana", f"guess {turn}", token="T")
    with pytest.raises(TooManyFailuresError, match="too many wrong passwords: try again in 15 minutes"):
        sign_in(hub, "lyon", "Ana", WORD, token="T")
    with pytest.raises(SignInError, match="are wrong"):
        sign_in(hub, "paris", "Ana", WORD, token="T")
    with looking(hub) as world:
        assert world.rows(SIGN_IN) == 6, "what is not checked is not counted"
        assert world.rows(SESSION) == 0
    advance(hub, 901)
    sign_in(hub, "lyon", "Ana", WORD, token="T")
    with pytest.raises(SignInError, match="are wrong"):
        sign_in(hub, "lyon", "Ana", "wrong", token="T")
    assert sign_in(hub, "lyon", "Ana", WORD, token="T2").name == "Ana"


def test_many_guesses_at_once_are_no_more_than_five(both: Database) -> None:
    hub = hub_on(both)
    answers = at_once([lambda: sign_in(hub, "lyon", "Ana", "guess", token="T")] * 12)
    assert sum(isinstance(one, TooManyFailuresError) for one in answers) == 7
    with looking(hub) as world:
        assert world.rows(SIGN_IN) == 5


def test_names_and_passwords_that_cannot_be_used_are_refused(both: Database) -> None:
    hub = hub_on(both)
    for name, password, why in (
        ("Bo", "short", "a password has at least 8 characters"),
        ("", WORD, "a name has 1 to 100 printable characters"),
        ("B\no", WORD, "a name has 1 to 100 printable characters"),
    ):
        with pytest.raises(RefusalError, match=why):
            add_user(hub, "lyon", name, password)
    with pytest.raises(UnknownDeskUserError, match="location 'nice' is not known"):
        add_user(hub, "nice", "Bo", WORD)
    with looking(hub) as world:
        assert world.rows(USER) == 1
