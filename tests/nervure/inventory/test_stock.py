import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.inventory.stock import cause_key

NAMES = st.lists(st.text("ab|\\", max_size=4), min_size=1, max_size=3)


@pytest.mark.requirement("R22")
@given(NAMES, NAMES)
def test_two_causes_never_share_a_key(one: list[str], other: list[str]) -> None:
    assert (cause_key(*one) == cause_key(*other)) == (one == other)


def test_a_cause_of_plain_parts_reads_as_it_always_did() -> None:
    assert cause_key("hub", "receipt:PO-7", "BOLT", "paris") == "hub|receipt:PO-7|BOLT|paris"
    assert cause_key("claim", 7) == "claim|7"
