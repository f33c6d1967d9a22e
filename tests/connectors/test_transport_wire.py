"""The real wire: what can go wrong before anything is sent is a sentence of the error tree."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import CredentialsError, UnavailableError
from connectors.transport import (
    HttpRequest,
    HttpResponse,
    checked_address,
    clock_span,
    httpx_sender,
    retry_after_seconds,
)
from simulation.platform import dated

SENT = datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC)
RECEIVED = SENT + timedelta(seconds=0.5)


def test_a_credential_that_no_header_can_carry_is_a_matter_for_a_person() -> None:
    request = HttpRequest("GET", "/", {"authorization": "Bearer é…"})
    with httpx_sender("http://127.0.0.1:9") as send, pytest.raises(CredentialsError) as refused:
        send(request)
    assert str(refused.value) == "the credential holds a character that no header can carry"


def test_a_server_that_is_not_there_can_be_asked_again_later() -> None:
    with httpx_sender("http://127.0.0.1:9") as send, pytest.raises(UnavailableError, match="cannot be reached"):
        send(HttpRequest("GET", "/"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:80",
        "ftp://shop.example",
        "http://[::1",
        "https://",
        "https:///path",
        "https:/KEY@h",
        "https://h:KEY",
    ],
)
def test_an_address_names_a_server_that_speaks_http(url: str) -> None:
    with pytest.raises(ValueError, match=r"it is not an address|it must start with https") as refused:
        checked_address(url)
    assert "KEY" not in str(refused.value), "a key that stands before the server is nobody's to read"


def test_an_address_is_kept_as_it_was_written() -> None:
    assert checked_address("https://shop.example/sub") == "https://shop.example/sub"


@pytest.mark.parametrize(
    ("date", "span"),
    [
        ("Mon, 02 Mar 2026 09:00:00 GMT", (-0.75, 0.75)),
        ("Mon, 02 Mar 2026 09:03:00 GMT", (179.25, 180.75)),
        ("Mon, 02 Mar 2026 08:56:00 GMT", (-240.75, -239.25)),
        ("Mon, 02 Mar 2026 10:00:00 +0100", (-0.75, 0.75)),
    ],
)
def test_the_date_of_an_answer_says_between_what_its_clock_is_ahead(date: str, span: tuple[float, float]) -> None:
    assert clock_span(HttpResponse(200, {"date": date}), SENT, RECEIVED) == span


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"date": ""},
        {"date": "yesterday"},
        {"date": "Mon, 02 Mar 2026 09:00:00 -0000"},
        {"date": "Mon, 02 Mar 2026 09:00:00 GMT, Mon, 02 Mar 2026 09:00:01 GMT"},
        {"date": "Mon, 32 Mar 2026 09:00:00 GMT"},
        {"date": "Mon, 02 Mar 2026 09:00:00 GMT", "age": "0"},
    ],
)
def test_without_a_date_of_its_own_an_answer_says_nothing_of_the_clock(headers: dict[str, str]) -> None:
    assert clock_span(HttpResponse(200, headers), SENT, RECEIVED) is None


def test_a_request_in_which_our_own_clock_was_set_back_says_nothing() -> None:
    answer = HttpResponse(200, {"date": "Mon, 02 Mar 2026 09:00:00 GMT"})
    assert clock_span(answer, RECEIVED, SENT) is None
    assert clock_span(answer, SENT, SENT) == (-0.25, 0.75)


@given(st.text())
def test_no_date_fails(text: str) -> None:
    assert clock_span(HttpResponse(200, {"date": text}), SENT, RECEIVED) is None or any(one.isdigit() for one in text)


@given(
    ahead=st.timedeltas(timedelta(days=-2), timedelta(days=2)),
    there=st.timedeltas(timedelta(0), timedelta(seconds=60)),
    back=st.timedeltas(timedelta(0), timedelta(seconds=60)),
)
def test_the_true_difference_lies_between_the_two_bounds(ahead: timedelta, there: timedelta, back: timedelta) -> None:
    answer = dated(HttpResponse(200), SENT + there + ahead)
    span = clock_span(answer, SENT, SENT + there + back)
    assert span is not None
    least, most = span
    assert least <= ahead.total_seconds() <= most
    assert most - least == pytest.approx((there + back).total_seconds() + 1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "45"}, 45.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Mon, 02 Mar 2026 09:01:00 GMT"}, 59.5),
        # Its clock is seven minutes ahead: it wants a minute, not eight.
        ({"retry-after": "Mon, 02 Mar 2026 09:08:00 GMT", "date": "Mon, 02 Mar 2026 09:07:00 GMT"}, 60.0),
        ({"retry-after": "Mon, 02 Mar 2026 08:59:00 GMT", "date": "Mon, 02 Mar 2026 08:58:00 GMT"}, 60.0),
        ({"retry-after": "Mon, 02 Mar 2026 09:01:00 GMT", "date": "yesterday"}, 1.0),
        # What a cache kept has the date of another time.
        (
            {"retry-after": "Mon, 02 Mar 2026 09:01:00 GMT", "date": "Mon, 02 Mar 2026 08:00:00 GMT", "age": "3600"},
            59.5,
        ),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "1e300"}, 3600.0),
        ({"retry-after": "Mon, 02 Mar 2037 09:01:00 GMT"}, 3600.0),
        ({"retry-after": "inf"}, 1.0),
        ({"retry-after": "nan"}, 1.0),
        ({"retry-after": "soon"}, 1.0),
        ({}, 1.0),
    ],
)
def test_so_long_a_platform_wants_no_call_by_its_own_clock_and_never_for_more_than_an_hour(
    headers: dict[str, str], seconds: float
) -> None:
    assert retry_after_seconds(HttpResponse(429, headers), RECEIVED - timedelta(seconds=0.25)) == seconds
