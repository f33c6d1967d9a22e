from nervure.inventory.derivation import (
    AtMost,
    NotBelowZero,
    Packed,
    Scarcest,
    Share,
    Total,
    Units,
    as_data,
    evaluate,
    tags_in,
    without,
)

SHELF = Total("on hand", (Units("received", 9), Units("sold", -2, ("order:shop:1",))))
CLAIMS = Total("claims", (Units("allocated", -3, ("order:shop:2",)),), ("claims",))
PARIS = NotBelowZero(
    "paris", Total("to promise", (SHELF, CLAIMS, Units("safety", -1, ("safety",)))), ("location:paris",)
)
ACME = NotBelowZero("acme", Total("to promise", (Units("heard", 20),)), ("location:acme", "supplier:acme"))
POOL = Total("pool", (PARIS, ACME))
NUMBER = NotBelowZero(
    "shop",
    AtMost(
        "cap",
        Total("after", (Share("share", POOL, 50, ("share",)), Units("buffer", -2, ("buffer",)))),
        6,
        ("cap",),
    ),
)


def test_each_step_is_worked_out_from_its_parts() -> None:
    assert evaluate(SHELF) == 7
    assert evaluate(PARIS) == 3
    assert evaluate(POOL) == 23
    assert evaluate(NUMBER) == min(23 // 2 - 2, 6)
    assert evaluate(NotBelowZero("", Units("", -4))) == 0
    assert evaluate(Packed("", Units("", 7), 2)) == 3
    assert evaluate(Scarcest("", (Units("", 7), Units("", 3)))) == 3
    assert evaluate(Scarcest("", ())) == 0


def test_what_is_left_out_counts_for_nothing() -> None:
    assert evaluate(without(POOL, ["claims"])) == 26
    assert evaluate(without(POOL, ["order:shop:1"])) == 25
    assert evaluate(without(POOL, ["safety", "claims"])) == 27
    assert evaluate(without(POOL, ["supplier:acme"])) == 3
    assert evaluate(without(POOL, ["location:paris"])) == 20


def test_a_share_or_a_cap_that_is_left_out_gives_way_to_what_it_limits() -> None:
    assert evaluate(without(NUMBER, ["cap"])) == 9
    assert evaluate(without(NUMBER, ["cap", "share"])) == 21
    assert evaluate(without(NUMBER, ["cap", "share", "buffer"])) == 23


def test_a_number_of_which_everything_is_left_out_is_nothing() -> None:
    assert evaluate(without(NUMBER, ["location:paris", "location:acme", "buffer"])) == 0
    assert evaluate(without(PARIS, ["location:paris"])) == 0


def test_a_kit_without_one_of_its_parts_is_limited_by_the_others() -> None:
    kit = Scarcest("kit", (Units("a", 2, ("a",)), Units("b", 5)))
    assert evaluate(without(kit, ["a"])) == 5


def test_the_tree_itself_is_not_changed() -> None:
    without(NUMBER, ["cap", "claims"])
    assert evaluate(NUMBER) == 6


def test_every_word_is_known() -> None:
    assert set(tags_in(NUMBER)) == {
        "order:shop:1",
        "order:shop:2",
        "claims",
        "safety",
        "location:paris",
        "location:acme",
        "supplier:acme",
        "share",
        "buffer",
        "cap",
    }


def test_a_tree_is_written_with_the_number_of_each_step() -> None:
    assert as_data(Share("share", Units("there", 7, ("x",), "receipt:1"), 50, ("share",))) == {
        "label": "share",
        "operation": "share",
        "units": 3,
        "percent": 50,
        "tags": ["share"],
        "parts": [{"label": "there", "operation": "units", "units": 7, "document": "receipt:1", "tags": ["x"]}],
    }
