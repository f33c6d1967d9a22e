"""The real wire: what can go wrong before anything is sent is a sentence of the error tree."""

import pytest

from connectors.errors import CredentialsError, UnavailableError
from connectors.transport import HttpRequest, checked_address, httpx_sender


def test_a_credential_that_no_header_can_carry_is_a_matter_for_a_person() -> None:
    request = HttpRequest("GET", "/", {"authorization": "Bearer é…"})
    with httpx_sender("http://127.0.0.1:9") as send, pytest.raises(CredentialsError) as refused:
        send(request)
    assert str(refused.value) == "the credential holds a character that no header can carry"


def test_a_server_that_is_not_there_can_be_asked_again_later() -> None:
    with httpx_sender("http://127.0.0.1:9") as send, pytest.raises(UnavailableError, match="cannot be reached"):
        send(HttpRequest("GET", "/"))


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://shop.example", "http://[::1", "https://", "https:///path"])
def test_an_address_names_a_server_that_speaks_http(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not an address|must start with https"):
        checked_address(url)


def test_an_address_is_kept_as_it_was_written() -> None:
    assert checked_address("https://shop.example/sub") == "https://shop.example/sub"
