"""What people read of a window."""

from datetime import UTC, datetime

from nervure.operations.reports import headline, markdown, said_of
from nervure.operations.results import Results, Tally, percentile
from nervure.store.inbox import DeadLetter

LETTER = DeadLetter(7, "shop", "order", "1001", "line 2: units | are missing", datetime(2026, 3, 2, tzinfo=UTC))


def test_percentile_is_a_value_that_was_there() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0


def test_a_slice_is_taken_once_and_the_whole_stays() -> None:
    tally = Tally()
    tally.count("shop", "order", 2)
    tally.count("shop", "order", 0)
    tally.took([0.1])
    assert tally.take().counts == {("shop", "order"): 2}
    assert tally.take().counts == {}
    tally.count("till", "order", 1)
    tally.take()
    assert tally.whole().by_account() == {"shop": {"order": 2}, "till": {"order": 1}}
    assert tally.whole().by_kind() == {"order": 3}
    assert tally.whole().latencies == [0.1]


def test_a_page_names_counts_times_trouble_and_dead_letters() -> None:
    results = Results(latencies=[0.1, 0.2], warnings={"till": "is down"}, problems={"shop": "sign-in refused."})
    results.counts["shop", "order"] = 2
    assert headline(results) == "2 order, p50 0.10 s, 2 in trouble"
    assert markdown("drain inbox", results, [LETTER]) == (
        "# drain inbox\n\n"
        "2 order, p50 0.10 s, 2 in trouble.\n\n"
        "## To do\n\n- **shop**: sign-in refused\n\n"
        "## Warnings\n\n- **till**: is down\n\n"
        "## Counts\n\n| account | what | count |\n|---|---|---:|\n| shop | order | 2 |\n\n"
        "## From received to handled\n\np50 0.10 s, p95 0.20 s, p99 0.20 s, over 2 documents.\n\n"
        "## Dead letters\n\n| id | account | topic | reason |\n|---:|---|---|---|\n"
        "| 7 | shop | order | line 2: units \\| are missing |\n"
    )


def test_a_window_without_work_says_so() -> None:
    assert markdown("sweep drift", Results(), []) == "# sweep drift\n\nnothing to do.\n"


def test_many_dead_letters_are_cut_and_counted() -> None:
    page = markdown("drain inbox", Results(), [LETTER] * 23)
    assert page.count("| 7 | shop |") == 20
    assert page.endswith("And 3 more: `nervure inbox list` shows them.\n")


def test_a_dead_letter_says_what_to_do_and_how_many_died_with_it() -> None:
    assert said_of(LETTER, 3) == (
        "Document 7 of shop (order) could not be handled: line 2: units \\| are missing."
        " Mend the cause, then run `nervure inbox replay 7`. 3 more died with it: `nervure inbox list` shows them."
    )
