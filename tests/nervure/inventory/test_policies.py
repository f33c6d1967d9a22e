from datetime import date

import pytest

from nervure.inventory.availability import PLAIN, Terms
from nervure.inventory.policies import Allowance, Policy, backordered, beyond, in_force, left_of, terms_of
from schemas.policies import PolicyKind

SHOP, MARKET, MUG = 1, 2, 7
TODAY = date(2026, 3, 2)
TOMORROW = date(2026, 3, 3)
YESTERDAY = date(2026, 3, 1)


def policy(kind: PolicyKind, units: int, *, channel: int | None = None, item: int | None = MUG) -> Policy:
    is_promise = kind in (PolicyKind.BACKORDER, PolicyKind.PREORDER)
    return Policy(kind, units, channel, item, TODAY if is_promise else None)


def terms(*policies: Policy, buffer_units: int = 0, sold: dict[int, int] | None = None, received: bool = True) -> Terms:
    return terms_of(policies, buffer_units=buffer_units, sold=sold or {}, is_received=received, today=TODAY)


def test_without_policies_everything_is_shown() -> None:
    assert terms() == PLAIN


def test_a_policy_for_one_sku_takes_the_place_of_its_channels() -> None:
    of_channel = policy(PolicyKind.SHARE, 50, channel=SHOP, item=None)
    of_sku = policy(PolicyKind.SHARE, 80, channel=SHOP)
    assert terms(of_sku, of_channel) == terms(of_channel, of_sku) == Terms(share_percent=80)


def test_a_buffer_for_one_sku_takes_the_place_of_the_settings() -> None:
    assert terms(policy(PolicyKind.BUFFER, 0, channel=SHOP), buffer_units=5) == PLAIN
    assert terms(buffer_units=5) == Terms(buffer_units=5)


def test_a_cap_of_nothing_is_a_cap() -> None:
    assert terms(policy(PolicyKind.CAP, 0, channel=SHOP)) == Terms(cap_units=0)


def test_what_was_sold_beyond_counts_against_the_limit() -> None:
    assert terms(policy(PolicyKind.BACKORDER, 10), sold={SHOP: 3, MARKET: 4}) == Terms(beyond_units=3)


def test_a_channels_limit_counts_its_own_sales() -> None:
    own = policy(PolicyKind.BACKORDER, 10, channel=SHOP)
    assert left_of(own, {SHOP: 3, MARKET: 4}) == 7
    assert terms(own, policy(PolicyKind.BACKORDER, 1), sold={SHOP: 3, MARKET: 4}) == Terms(beyond_units=7)


def test_a_limit_below_what_was_sold_allows_nothing_and_takes_nothing() -> None:
    assert left_of(policy(PolicyKind.BACKORDER, 2), {SHOP: 5}) == 0


@pytest.mark.parametrize(("day", "allowed"), [(YESTERDAY, False), (TODAY, True), (TOMORROW, True)])
def test_a_promise_holds_through_its_last_day(day: date, *, allowed: bool) -> None:
    known = Policy(PolicyKind.BACKORDER, 10, None, MUG, day)
    assert beyond([known], is_received=True, today=TODAY) == (known if allowed else None)


def test_a_preorder_ends_with_the_first_receipt_and_a_backorder_follows() -> None:
    both = [policy(PolicyKind.BACKORDER, 1), policy(PolicyKind.PREORDER, 9)]
    assert in_force(both, PolicyKind.PREORDER) == beyond(both, is_received=False, today=TODAY)
    assert beyond(both, is_received=True, today=TODAY) == both[0]
    assert beyond(both[1:], is_received=True, today=TODAY) is None


@pytest.mark.parametrize(
    ("short", "was_short", "was_promised", "left", "promised"),
    [
        (5, 0, 0, 9, 5),
        (5, 0, 0, 3, 3),
        (5, 2, 2, 9, 5),
        (5, 2, 0, 9, 3),  # what fell short before was not sold beyond on purpose
        (1, 5, 3, 9, 1),  # units came in
        (4, 5, 3, 9, 3),
        (0, 5, 3, 9, 0),
    ],
)
def test_only_what_is_newly_missing_becomes_a_backorder(
    short: int, was_short: int, was_promised: int, left: int, promised: int
) -> None:
    assert backordered(short, was_short, was_promised, Allowance(left, TODAY)) == promised


def test_without_an_allowance_a_promise_stays_and_none_is_made() -> None:
    assert backordered(5, 2, 2, None) == 2
