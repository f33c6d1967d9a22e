"""One budget for each credential, shared by all who call with it; a platform that is down is tried by one call."""

from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from connectors.errors import CircuitOpenError, NoAnswerError, ThrottledError, UnavailableError
from connectors.records import ChannelSettings
from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import ManualClock
from nervure.operations.calls import Guard, shared_credential
from nervure.operations.publish import publish, refresh
from nervure.operations.staff import receive
from nervure.store.budgets import BudgetStore, Line
from nervure.store.database import Database
from tests.nervure.operations.scripted import ScriptedShop, advance
from tests.nervure.operations.test_publish import opened, sent, states
from tests.nervure.world import START, at_once

ASK = HttpRequest("GET", "/")


@dataclass
class Wire:
    """A platform that answers with a status, or not at all; it counts who calls."""

    status: int = 200
    error: Exception | None = None
    headers: dict[str, str] = field(default_factory=dict)
    calls: int = 0

    def __call__(self, _: HttpRequest) -> HttpResponse:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return HttpResponse(self.status, self.headers)


@dataclass
class Two:
    """Two processes that call with the same credential."""

    database: Database
    wire: Wire
    clock: ManualClock

    def guard(self, credential: str = "shop") -> Guard:
        return Guard(self.database, self.clock, credential, self.wire)

    def call(self, credential: str = "shop") -> str:
        """What becomes of one call."""
        try:
            return str(self.guard(credential)(ASK).status)
        except CircuitOpenError as error:
            return f"down {error.retry_after_seconds:.0f}"
        except ThrottledError as error:
            return f"wait {error.retry_after_seconds:.0f}"
        except (UnavailableError, NoAnswerError):
            return "no answer"

    def line(self) -> Line:
        with self.database.read() as connection:
            return BudgetStore(connection, self.clock.now()).get("shop")


@pytest.fixture
def two(both: Database) -> Two:
    return Two(both, Wire(), ManualClock(START))


@pytest.mark.requirement("R26")
@pytest.mark.parametrize(
    "failing", [{"error": UnavailableError("refused")}, {"error": NoAnswerError("silence")}, {"status": 500}]
)
def test_after_five_calls_without_an_answer_nobody_calls_until_one_tries_again(
    two: Two, failing: dict[str, object]
) -> None:
    for name, value in failing.items():
        setattr(two.wire, name, value)
    for _ in range(5):
        two.call()
    assert [two.call() for _ in range(3)] == ["down 15"] * 3
    assert two.wire.calls == 5
    assert two.call("other") != "down 15", "another credential is not concerned"
    two.clock.advance(15)
    two.wire.status, two.wire.error = 200, None
    assert (two.call(), two.call()) == ("200", "200")
    assert two.line() == Line()


@pytest.mark.requirement("R26")
def test_the_longer_a_platform_is_down_the_more_seldom_it_is_tried_but_at_least_each_five_minutes(two: Two) -> None:
    two.wire.error = UnavailableError("refused")
    for _ in range(5):
        two.call()
    waits = []
    for _ in range(7):
        wait = two.call()
        waits.append(wait)
        two.clock.advance(float(wait.removeprefix("down ")))
        assert two.call() == "no answer"
    assert waits == [f"down {seconds}" for seconds in (15, 30, 60, 120, 240, 300, 300)]
    assert two.wire.calls == 5 + 7


def test_four_failures_and_an_answer_are_no_outage(two: Two) -> None:
    for _ in range(3):
        two.wire.error = UnavailableError("refused")
        assert [two.call() for _ in range(4)] == ["no answer"] * 4
        two.wire.error = None
        assert two.call() == "200"
    assert two.line() == Line()


@pytest.mark.requirement("R26")
def test_of_all_who_want_to_try_again_at_once_one_does(two: Two) -> None:
    two.wire.error = UnavailableError("refused")
    for _ in range(5):
        two.call()
    two.clock.advance(15)
    answers = at_once([two.call] * 8)
    assert sorted(str(answer).split()[0] for answer in answers) == ["down"] * 7 + ["no"]
    assert two.wire.calls == 6


def test_who_dies_while_trying_is_followed_by_another_after_a_minute(two: Two) -> None:
    two.wire.error = UnavailableError("refused")
    for _ in range(5):
        two.call()
    two.clock.advance(15)
    assert two.database.run(lambda c: BudgetStore(c, two.clock.now()).take_probe("shop"))
    two.wire.error = None
    assert two.call() == "down 60"
    two.clock.advance(60)
    assert two.call() == "200"


def test_a_call_that_was_under_way_when_the_platform_went_down_does_not_prolong_it(two: Two) -> None:
    late = two.guard()
    two.wire.error = UnavailableError("refused")
    for _ in range(5):
        two.call()
    late._failed("refused", is_probe=False)
    assert two.call() == "down 15"


@pytest.mark.requirement("R26")
def test_silence_that_a_platform_asks_for_is_kept_by_all_of_its_callers(two: Two) -> None:
    two.wire.status, two.wire.headers = 429, {"retry-after": "45"}
    assert two.call() == "429"
    two.wire.status = 200
    assert [two.call() for _ in range(3)] == ["wait 45"] * 3
    two.clock.advance(44)
    assert two.call() == "wait 1"
    two.clock.advance(1)
    assert (two.call(), two.wire.calls) == ("200", 2)


@pytest.mark.requirement("R26")
def test_of_two_silences_the_longer_one_is_kept(two: Two) -> None:
    for seconds in (5, 45, 5):
        two.database.run(lambda c: BudgetStore(c, two.clock.now()).throttled("shop", seconds))  # noqa: B023 - runs at once
    assert two.call() == "wait 45"


@pytest.mark.requirement("R26")
def test_points_are_spent_once_by_all_who_share_them(two: Two) -> None:
    two.guard().learn(400, 1_000, 100)
    waits = at_once([lambda: two.guard().spend(100)] * 8)
    assert sorted(float(str(wait)) for wait in waits) == [0.0] * 4 + [1.0] * 4
    two.clock.advance(1)
    assert (two.guard().spend(100), two.guard().spend(100)) == (0.0, 1.0)
    two.clock.advance(100)
    assert two.guard().spend(5_000) == 0.0, "more than it holds is taken from a full bucket"
    two.guard().learn(400, 1_000, 100)
    assert two.guard().spend(1, kept=0.5) == pytest.approx(1.01)
    assert two.guard("other").spend(100) == 0.0, "what is not known is not waited for"


class TokenSettings(ChannelSettings):
    token: SecretStr


def test_accounts_that_sign_in_alike_share_a_budget_and_no_others_do() -> None:
    def account(name: str, token: str, url: str = "https://a.example") -> TokenSettings:
        return TokenSettings(name=name, url=url, token=SecretStr(token), webhook_secrets=(SecretStr(name),))

    settings: dict[str, ChannelSettings] = {
        "north": account("north", "t1"),
        "east": account("east", "t1"),
        "south": account("south", "t2"),
        "west": account("west", "t1", "https://b.example"),
        "open": ChannelSettings(name="open", url="https://a.example"),
        "free": ChannelSettings(name="free", url="https://a.example"),
    }
    platforms = dict.fromkeys(settings, "square")
    found = {name: shared_credential(name, platforms, settings) for name in settings}
    assert found == {name: name for name in settings} | {"north": "east"}


@pytest.mark.requirement("R26")
def test_after_ten_minutes_of_429_the_backlog_clears_riskiest_first_with_the_newest_numbers(both: Database) -> None:
    shop = ScriptedShop()
    hub = opened(both, shop, write_batch=1)
    while publish(hub, "shop").total:
        pass
    before = len(shop.writes)
    shop.error = ThrottledError("slow down", retry_after_seconds=30)
    for number in range(20):
        receive(hub, "BOLT", "paris", 1, document=f"b{number}")
        receive(hub, "NUT", "paris", 1, document=f"n{number}")
        refresh(hub)
        publish(hub, "shop")
        advance(hub, 30)
    shop.error = None
    while publish(hub, "shop").total:
        pass
    assert sent(shop)[before:] == [{"PAIR": 14}, {"BOLT": 27}, {"NUT": 28}]
    assert set(states(hub).values()) == {"confirmed"}
