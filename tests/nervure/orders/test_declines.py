"""Who declined a part of an order: for a while, for some goods, or for good."""

from dataclasses import replace
from datetime import timedelta

import pytest

from nervure.orders.declines import SOON, AskAgain, Decline, Standing, standings
from schemas.fulfillment import RejectReason, StepKind
from tests.nervure.world import at

LYON, PARIS = 1, 2
BOLT = 10


def rejected(reason: RejectReason, minute: float, *, is_counted: bool = False) -> Decline:
    items = frozenset({BOLT}) if reason in {RejectReason.NOT_FOUND, RejectReason.DAMAGED} else frozenset[int]()
    return Decline(PARIS, StepKind.REJECTED, reason, at(minute), items, items if is_counted else frozenset())


def silent(minute: float) -> Decline:
    return Decline(PARIS, StepKind.TIMED_OUT, None, at(minute))


def standing(*declines: Decline, minute: float, rule: AskAgain = SOON) -> Standing:
    return standings(declines, rule, at(minute))[PARIS]


@pytest.mark.parametrize(
    ("decline", "said"),
    [
        (rejected(RejectReason.NO_TIME, 0), "had no time"),
        (rejected(RejectReason.CLOSED, 0), "was closed"),
        (silent(0), "did not accept in time"),
    ],
)
def test_what_may_pass_keeps_a_location_away_for_a_while(decline: Decline, said: str) -> None:
    until = f"{at(120):%Y-%m-%d %H:%M} UTC"
    assert standing(decline, minute=119) == Standing(out=f"{said}, may be asked again from {until}")
    assert standing(decline, minute=120) == Standing(out=f"{said}, asked again if nobody else has it", again=True)


def test_a_supplier_that_did_not_answer_is_never_asked_again_and_the_reason_says_no_more() -> None:
    given = replace(silent(0), by_supplier=True)
    assert [standing(given, minute=minute) for minute in (1, 10_000)] == [Standing(out="did not answer in time")] * 2


def test_nobody_is_asked_for_ever() -> None:
    twice = [silent(0), rejected(RejectReason.NO_TIME, 200)]
    assert not standing(*twice, minute=319).again
    assert standing(*twice, minute=320).again
    assert standing(*twice, silent(400), minute=10_000) == Standing(out="did not accept in time, 3 times")
    never = AskAgain(timedelta(0), 0)
    assert standing(silent(0), minute=10_000, rule=never) == Standing(out="did not accept in time")


@pytest.mark.parametrize(
    ("reason", "said"),
    [(RejectReason.NOT_FOUND, "did not find it"), (RejectReason.DAMAGED, "has it damaged")],
)
def test_what_is_about_goods_concerns_these_alone_until_they_are_counted(reason: RejectReason, said: str) -> None:
    assert standing(rejected(reason, 0), minute=10_000) == Standing(barred={BOLT: said})
    counted = rejected(reason, 0, is_counted=True)
    assert standing(counted, minute=0) == Standing()
    assert standing(counted, rejected(reason, 50), minute=10_000) == Standing(barred={BOLT: said})
    often = [rejected(reason, minute, is_counted=True) for minute in (0, 50, 90)]
    assert standing(*often[:2], minute=100) == Standing()
    assert standing(*often, minute=100) == Standing(barred={BOLT: said}), "counting does not bring it back for ever"


def test_goods_and_time_are_told_apart() -> None:
    both = standing(rejected(RejectReason.NOT_FOUND, 0), silent(10), minute=130)
    assert (both.again, both.barred) == (True, {BOLT: "did not find it"})


@pytest.mark.parametrize(
    ("decline", "said"),
    [
        (rejected(RejectReason.OTHER, 0), "would not do it"),
        (Decline(PARIS, StepKind.REJECTED, None, at(0)), "would not do it"),
        (Decline(PARIS, StepKind.UNCLAIMED, None, at(0)), "nobody fetched it there"),
    ],
)
def test_anything_else_is_final(decline: Decline, said: str) -> None:
    assert standing(decline, silent(5), minute=10_000) == Standing(out=said)


def test_each_location_stands_alone() -> None:
    there = Decline(LYON, StepKind.TIMED_OUT, None, at(60))
    found = standings([rejected(RejectReason.NOT_FOUND, 0), there], SOON, at(90))
    assert (found[PARIS].barred, found[PARIS].out) == ({BOLT: "did not find it"}, None)
    assert (found[LYON].barred, found[LYON].again) == ({}, False)
