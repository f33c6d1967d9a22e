"""How a listing stands before the first number is sent: by sku, by GTIN, in doubt; never by its title."""

import pytest

from nervure.publication.cutover import Decision, Listed, Standing, judge

GTINS = {"04006381333931": ["MUG"], "02000000000022": ["TRAY", "PLATE"]}


def listed(
    name: str = "L1", *, sku: str | None = None, gtin: str | None = None, item: str | None = None, **decided: object
) -> Listed:
    return Listed(name, sku, gtin, "Mug", item, None if item else "no item has this sku or GTIN", **decided)  # type: ignore[arg-type]  # as Listed takes them


@pytest.mark.requirement("R39")
@pytest.mark.parametrize(
    ("one", "standing", "text"),
    [
        (listed(sku="MUG", item="MUG"), Standing.BY_SKU, ""),
        (listed(sku="MUG", gtin="04006381333931", item="MUG"), Standing.BY_SKU, ""),
        (listed(sku="MUG", gtin="09999999999994", item="MUG"), Standing.BY_SKU, ""),
        (
            listed(sku="CUP", gtin="04006381333931", item="MUG"),
            Standing.BY_GTIN,
            "its sku is CUP: confirm that it is MUG",
        ),
        (listed(gtin="04006381333931", item="MUG"), Standing.BY_GTIN, "its sku is empty: confirm that it is MUG"),
        (
            listed(sku="CUP", gtin="04006381333931", item="CUP"),
            Standing.AMBIGUOUS,
            "its sku names CUP, its GTIN MUG",
        ),
        (listed(gtin="02000000000022"), Standing.AMBIGUOUS, "its GTIN is that of PLATE, TRAY"),
        (listed(sku="CUP"), Standing.NO_ITEM, "no item has this sku or GTIN"),
        (listed(sku="CUP", item="MUG", decision=Decision.BIND), Standing.DECIDED, ""),
        (listed(decision=Decision.EXCLUDE, reason="not ours"), Standing.EXCLUDED, "not ours"),
        (listed(sku="GIFT", is_goods=False), Standing.NO_GOODS, "a service or the like: it has no stock"),
    ],
)
def test_one_listing(one: Listed, standing: Standing, text: str) -> None:
    found = judge([one], GTINS, [])
    assert [(finding.standing, finding.text) for finding in found] == [(standing, text)]
    settled = {Standing.BY_SKU, Standing.DECIDED, Standing.EXCLUDED, Standing.NOT_LISTED, Standing.NO_GOODS}
    assert found[0].is_settled is (standing in settled)


def test_two_listings_of_one_item_are_each_to_be_decided_until_one_is_left() -> None:
    two = [listed("L1", sku="MUG", item="MUG"), listed("L2", gtin="04006381333931", item="MUG")]
    assert [(one.standing, one.text) for one in judge(two, GTINS, [])] == [
        (Standing.DUPLICATE, "2 listings show MUG"),
        (Standing.DUPLICATE, "2 listings show MUG"),
    ]
    left_out = listed("L2", gtin="04006381333931", item="MUG", decision=Decision.EXCLUDE, reason="old page")
    assert [one.standing for one in judge([two[0], left_out], GTINS, [])] == [Standing.BY_SKU, Standing.EXCLUDED]
    both = [listed(name, sku="MUG", item="MUG", decision=Decision.BIND) for name in ("L1", "L2")]
    assert {one.standing for one in judge(both, GTINS, [])} == {Standing.DECIDED}


def test_one_sku_on_two_listings_is_told_though_one_was_bound_elsewhere() -> None:
    two = [listed("L1", sku="MUG", item="MUG"), listed("L2", sku="MUG", item="CUP", decision=Decision.BIND)]
    assert [one.standing for one in judge(two, GTINS, [])] == [Standing.DUPLICATE, Standing.DECIDED]


def test_items_that_the_channel_does_not_list_are_named_and_hold_nothing_up() -> None:
    found = judge([listed(sku="MUG", item="MUG")], GTINS, ["MUG", "TRAY"])
    assert [(one.standing, one.listed.item_sku, one.is_settled) for one in found] == [
        (Standing.BY_SKU, "MUG", True),
        (Standing.NOT_LISTED, "TRAY", True),
    ]


@pytest.mark.requirement("R39")
def test_a_title_binds_nothing() -> None:
    found = judge([Listed("L1", None, None, "MUG", None, "the listing has neither sku nor GTIN")], GTINS, ["MUG"])
    assert [one.standing for one in found] == [Standing.NO_ITEM, Standing.NOT_LISTED]
