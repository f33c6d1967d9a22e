"""A record is written down in one process and judged in another."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from simulation.platform import BasketLine, Purchase, ShelfCause, ShelfChange
from simulation.record import ComeBack, Record, Sale, from_document

NAMES = st.sampled_from(["MUG", "TRAY", "gid://1/é", "web", 'a "b"', ""])
UNITS = st.integers(-5, 1_000_000)
TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is added
LINES = st.lists(st.builds(BasketLine, NAMES, UNITS), max_size=3).map(tuple)
PAIRS = st.dictionaries(st.tuples(NAMES, NAMES), UNITS, max_size=3)
PURCHASES = st.builds(Purchase, st.none() | NAMES, TIMES, NAMES, LINES, LINES)
CHANGES = st.builds(ShelfChange, TIMES, NAMES, NAMES, UNITS, st.sampled_from(ShelfCause))
RECORDS = st.builds(
    Record,
    parts=st.dictionaries(NAMES, st.dictionaries(NAMES, UNITS, max_size=2), max_size=2),
    stock=PAIRS,
    supplier_stock=st.dictionaries(NAMES, UNITS, max_size=2),
    supplier_shipped=st.dictionaries(NAMES, UNITS, max_size=2),
    points=st.dictionaries(NAMES, st.dictionaries(NAMES, st.lists(NAMES, max_size=2), max_size=2), max_size=2),
    shelves=st.dictionaries(NAMES, PAIRS, max_size=2),
    shelf_logs=st.dictionaries(NAMES, st.lists(CHANGES, max_size=3), max_size=2),
    sales=st.lists(st.builds(Sale, NAMES, PURCHASES), max_size=3),
    come_backs=st.lists(
        st.builds(ComeBack, NAMES, st.sampled_from(["canceled", "returned"]), NAMES, LINES, TIMES), max_size=3
    ),
    requests=st.dictionaries(NAMES, UNITS, max_size=2),
    webhooks=st.integers(0, 99),
    heard_slowly=st.lists(NAMES, max_size=2),
)


@given(RECORDS)
def test_what_is_read_is_what_was_written(record: Record) -> None:
    assert from_document(json.loads(json.dumps(record.as_document()))) == record
