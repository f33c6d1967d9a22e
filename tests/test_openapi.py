"""The contract checker itself: what it refuses."""

from typing import Any

import pytest

from connectors.transport import HttpRequest, HttpResponse
from tests.openapi import ContractMismatchError, OpenApi, Prose

JSON = {"content-type": "application/json"}


def contract(version: str = "3.1.0", prose: Prose | None = None) -> OpenApi:
    thing = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "note": {"type": "string"}, "made": {"format": "date-time"}},
        "required": ["id"],
    }
    if version.startswith("3.0"):
        thing["properties"]["note"]["nullable"] = True  # type: ignore[index] # a literal of mixed values
    ref = {"$ref": "#/components/schemas/Thing"}
    return OpenApi(
        {
            "openapi": version,
            "paths": {
                "/things/mine": {"get": {"operationId": "mine", "responses": {"204": {"description": "none"}}}},
                "/things/{id}": {
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                    "get": {
                        "operationId": "one",
                        "parameters": [
                            {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}}},
                            {"name": "deep", "in": "query", "required": True, "schema": {"type": "boolean"}},
                        ],
                        "responses": {"200": {"content": {"application/json": {"schema": ref}}}},
                    },
                    "put": {
                        "operationId": "change",
                        "requestBody": {
                            "content": {
                                "application/json": {"schema": {"allOf": [ref, {"properties": {"extra": {}}}]}},
                                "multipart/form-data": {
                                    "schema": {"properties": {"file": {"type": "string"}}, "required": ["file"]}
                                },
                            }
                        },
                        "responses": {"204": {"description": "done"}},
                    },
                },
            },
            "components": {"schemas": {"Thing": thing}},
        },
        prose or Prose(),
    )


def put(body: bytes, headers: dict[str, str] | None = None) -> HttpRequest:
    return HttpRequest("PUT", "/things/1", headers or JSON, body)


def test_a_literal_path_is_preferred_to_a_template() -> None:
    assert contract().check(HttpRequest("GET", "/things/mine"), HttpResponse(204)) == "mine"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nothing", "no GET /nothing"),
        ("/things/x?deep=true", "is no integer"),
        ("/things/1", "'deep' is missing"),
        ("/things/1?deep=yes", "is no boolean"),
        ("/things/1?deep=true&page=2", "undeclared query parameters"),
        ("/things/1?deep=true&tag=1&tag=b", "is no integer"),
        ("/things/1?deep=true&deep=true", "given 2 times"),
    ],
)
def test_undeclared_paths_and_parameters_are_refused(path: str, why: str) -> None:
    with pytest.raises(ContractMismatchError, match=why):
        contract().check_request(HttpRequest("GET", path))


def test_repeated_query_parameters_are_an_array() -> None:
    assert contract().check_request(HttpRequest("GET", "/things/1?deep=true&tag=1&tag=2")).name == "one"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (201, b"{}", "does not declare this status"),
        (200, b"{", "not JSON"),
        (200, b"{}", "'id' is a required property"),
        (200, b'{"id": 1, "more": 2}', "'more' was unexpected"),
        (200, b'{"id": "1"}', "is not of type 'integer'"),
        (200, b'{"id": 1, "note": null}', "is not of type 'string'"),
        (200, b'{"id": 1, "made": "yesterday"}', "is not a 'date-time'"),
    ],
)
def test_answers_that_the_contract_does_not_know_are_refused(status: int, body: bytes, why: str) -> None:
    request = HttpRequest("GET", "/things/1?deep=true")
    with pytest.raises(ContractMismatchError, match=why):
        contract().check(request, HttpResponse(status, JSON, body))


def test_version_3_0_says_null_with_nullable() -> None:
    answer = HttpResponse(200, JSON, b'{"id": 1, "note": null}')
    assert contract("3.0.3").check(HttpRequest("GET", "/things/1?deep=true"), answer) == "one"


def test_bodies_of_requests_are_closed_through_composition() -> None:
    assert contract().check_request(put(b'{"id": 1, "extra": 2}')).name == "change"
    with pytest.raises(ContractMismatchError, match="'other' was unexpected"):
        contract().check_request(put(b'{"id": 1, "other": 2}'))
    with pytest.raises(ContractMismatchError, match="content type ''"):
        contract().check_request(put(b"x", {"accept": "*/*"}))
    with pytest.raises(ContractMismatchError, match="a body where the contract has none"):
        contract().check_request(HttpRequest("GET", "/things/mine", JSON, b"{}"))


def test_multipart_parts_are_fields() -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    assert contract().check_request(put(part % b"file", headers)).name == "change"
    with pytest.raises(ContractMismatchError, match="'file' is a required property"):
        contract().check_request(put(part % b"data", headers))
    with pytest.raises(ContractMismatchError, match="not a multipart body"):
        contract().check_request(put(b"file=x", headers))


def test_what_a_vendor_says_in_prose_is_named_by_the_test() -> None:
    def amend(schema: dict[str, Any]) -> dict[str, Any]:
        return {**schema, "nullable": True} if schema.get("type") == "string" else schema

    said = Prose(amend, lambda operation: ["page"], frozenset({404}))
    request = HttpRequest("GET", "/things/1?deep=true&page=2")
    assert contract(prose=said).check(request, HttpResponse(404)) == "one"
    assert contract(prose=said).check(request, HttpResponse(200, JSON, b'{"id": 1, "note": null}')) == "one"
