"""Holds requests and answers against a vendor's OpenAPI contract (3.0 or 3.1), so that neither side can drift.

Everything the contract does not declare is refused: paths, methods, query parameters, content types, statuses, and
fields of JSON bodies. What a vendor says only in prose (paging parameters, null, enumerations, error statuses) is
named by the test that uses the contract, not guessed here.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from connectors.transport import HttpRequest, HttpResponse

Schema = dict[str, Any]

METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
CHILDREN = ("items", "additionalProperties", "not", "contains")
BRANCHES = ("allOf", "anyOf", "oneOf")
URN = "urn:contract"


class ContractMismatchError(AssertionError):
    """A request or an answer that the contract does not allow."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, and the values that its path template took from a request."""

    method: str
    template: str
    declared: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]
    path_values: Mapping[str, str]

    @property
    def name(self) -> str:
        """The contract's id of the operation, else method and path."""
        return str(self.declared.get("operationId") or f"{self.method.upper()} {self.template}")


@dataclass(frozen=True, slots=True)
class Prose:
    """What a vendor says in words only.

    `amend` may add to a schema what its description says; `query` names further query parameters of an operation;
    `statuses` are answers that the contract leaves out (errors), whose bodies are then not checked.
    """

    amend: Callable[[Schema], Schema] = lambda schema: schema
    query: Callable[[Mapping[str, Any]], Iterable[str]] = lambda operation: ()
    statuses: frozenset[int] = frozenset()


@dataclass
class OpenApi:
    """One contract."""

    document: Mapping[str, Any]
    prose: Prose = field(default_factory=Prose)
    base_path: str = ""
    _checked: dict[str, Draft202012Validator] = field(default_factory=dict)
    _registry: Registry[Any] = field(init=False)

    def __post_init__(self) -> None:
        components = self.document.get("components", {}).get("schemas", {})
        definitions = {name: self._converted(schema) for name, schema in components.items()}
        self._registry = Registry[Any]().with_resource(URN, DRAFT202012.create_resource({"$defs": definitions}))

    @classmethod
    def load(cls, path: Path, prose: Prose | None = None, *, base_path: str = "") -> "OpenApi":
        """Reads a contract from JSON, gzipped or not."""
        raw = path.read_bytes()
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
        return cls(json.loads(text), prose or Prose(), base_path)

    def check(self, request: HttpRequest, response: HttpResponse) -> str:
        """Checks both sides of one call and answers the operation's name.

        Raises:
            ContractMismatchError: one of them is not what the contract says.
        """
        operation = self.check_request(request)
        self.check_response(operation, response)
        return operation.name

    def check_request(self, request: HttpRequest) -> Operation:
        """Checks method, path, parameters and body."""
        path, _, query = request.path.partition("?")
        operation = self._operation(request.method, path)
        self._check_parameters(operation, query, request.headers)
        self._check_request_body(operation, request)
        return operation

    def check_response(self, operation: Operation, response: HttpResponse) -> None:
        """Checks status, content type and body."""
        where = f"{operation.name} answer {response.status}"
        declared = self._answer(operation, response.status)
        if declared is None:
            if response.status not in self.prose.statuses:
                raise ContractMismatchError(f"{where}: the contract does not declare this status")
            return
        content = declared.get("content", {})
        if not content:
            if response.body:
                raise ContractMismatchError(f"{where}: a body where the contract has none")
            return
        self._check_body(where, content, response.headers, response.body)

    def _operation(self, method: str, path: str) -> Operation:
        if not path.startswith(self.base_path):
            raise ContractMismatchError(f"{path} is outside {self.base_path}")
        parts = path[len(self.base_path) :].split("/")
        found = [
            (template.count("{"), template, values)
            for template in self.document["paths"]
            if (values := _matched(template.split("/"), parts)) is not None
        ]
        for _, template, values in sorted(found, key=lambda match: match[0]):
            item = self.document["paths"][template]
            declared = item.get(method.lower()) if method.lower() in METHODS else None
            if declared is not None:
                shared = {_place(self._resolved(p)): self._resolved(p) for p in item.get("parameters", ())}
                own = {_place(self._resolved(p)): self._resolved(p) for p in declared.get("parameters", ())}
                return Operation(method, template, declared, tuple((shared | own).values()), values)
        raise ContractMismatchError(f"the contract has no {method} {path}")

    def _check_parameters(self, operation: Operation, query: str, headers: Mapping[str, str]) -> None:
        given: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
            given.setdefault(name, []).append(value)
        known = {p["name"] for p in operation.parameters if p["in"] == "query"}
        allowed = known | set(self.prose.query(operation.declared))
        if undeclared := sorted(set(given) - allowed):
            raise ContractMismatchError(f"{operation.name}: undeclared query parameters {undeclared}")
        for parameter in operation.parameters:
            name = parameter["name"]
            values = {
                "query": given.get(name, []),
                "path": [operation.path_values[name]] if name in operation.path_values else [],
                "header": [headers[name.lower()]] if name.lower() in headers else [],
            }.get(parameter["in"], [])
            if values:
                self._check_parameter(operation, parameter, values)
            elif parameter.get("required"):
                raise ContractMismatchError(f"{operation.name}: {parameter['in']} parameter {name!r} is missing")

    def _check_parameter(self, operation: Operation, parameter: Mapping[str, Any], values: list[str]) -> None:
        where = f"{operation.name}: parameter {parameter['name']!r}"
        schema = parameter.get("schema", {})
        resolved = self._resolved(schema)
        if resolved.get("type") == "array":
            explode = parameter.get("explode", parameter.get("style", "form") == "form")
            texts = values if explode else [part for value in values for part in value.split(",")]
            kind = self._resolved(resolved.get("items", {})).get("type")
            self._validate(where, schema, [_coerced(where, kind, text) for text in texts])
            return
        if len(values) > 1:
            raise ContractMismatchError(f"{where} is given {len(values)} times")
        self._validate(where, schema, _coerced(where, resolved.get("type"), values[0]))

    def _check_request_body(self, operation: Operation, request: HttpRequest) -> None:
        declared = self._resolved(operation.declared.get("requestBody", {}))
        content = declared.get("content", {})
        if not content:
            if request.body:
                raise ContractMismatchError(f"{operation.name}: a body where the contract has none")
            return
        if not request.body and declared.get("required", True) is False:
            return
        self._check_body(f"{operation.name} body", content, request.headers, request.body)

    def _check_body(self, where: str, content: Mapping[str, Any], headers: Mapping[str, str], body: bytes) -> None:
        stated = headers.get("content-type", "")
        kind = stated.partition(";")[0].strip().lower()
        if kind not in content:
            raise ContractMismatchError(f"{where}: content type {kind!r} is none of {sorted(content)}")
        schema = content[kind].get("schema", {})
        if kind.endswith("json"):
            try:
                document = json.loads(body)
            except ValueError as error:
                raise ContractMismatchError(f"{where}: not JSON: {error}") from error
            self._validate(where, schema, document)
        elif kind == "multipart/form-data":
            self._validate(where, schema, _parts(where, stated, body))
        elif kind == "application/x-www-form-urlencoded":
            self._validate(where, schema, dict(parse_qsl(body.decode(), keep_blank_values=True)))
        elif self._resolved(schema).get("type") == "string":
            self._validate(where, schema, body.decode())

    def _answer(self, operation: Operation, status: int) -> Mapping[str, Any] | None:
        responses = operation.declared.get("responses", {})
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in responses:
                return self._resolved(responses[key])
        return None

    def _validate(self, where: str, schema: Schema, document: object) -> None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._checked:
            self._checked[key] = Draft202012Validator(
                self._sealed(schema),
                registry=self._registry,
                format_checker=FormatChecker(("date-time", "date", "uuid")),
            )
        errors = sorted(self._checked[key].iter_errors(document), key=lambda error: error.json_path)
        if errors:
            first = errors[0]
            raise ContractMismatchError(f"{where}: {first.json_path}: {first.message[:300]} ({len(errors)} in all)")

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def _sealed(self, schema: Schema) -> Schema:
        """The schema as draft 2020-12, closed to fields nobody declared."""
        converted = self._converted(schema)
        if not self._has_fields(schema):
            return converted
        if "anyOf" in converted and converted["anyOf"][-1] == {"type": "null"} and len(converted) == 1:
            return {"anyOf": [{**converted["anyOf"][0], "unevaluatedProperties": False}, {"type": "null"}]}
        return {**converted, "unevaluatedProperties": False}

    def _has_fields(self, schema: Mapping[str, Any]) -> bool:
        if "$ref" in schema and self._has_fields(self._resolved(schema)):
            return True
        return bool(schema.get("properties")) or any(
            self._has_fields(branch) for key in BRANCHES for branch in schema.get(key, ())
        )

    def _converted(self, stated: Schema) -> Schema:
        schema = dict(self.prose.amend(stated))
        nullable = schema.pop("nullable", False) is True
        for bound in ("Minimum", "Maximum"):
            if isinstance(strict := schema.get(f"exclusive{bound}"), bool):
                del schema[f"exclusive{bound}"]
                if strict:
                    schema[f"exclusive{bound}"] = schema.pop(bound.lower())
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            schema["$ref"] = f"{URN}#/$defs/{name}"
        if "properties" in schema:
            schema["properties"] = {name: self._sealed(child) for name, child in schema["properties"].items()}
        for key in CHILDREN:
            if isinstance(schema.get(key), dict):
                schema[key] = self._sealed(schema[key])
        for key in BRANCHES:
            if key in schema:
                schema[key] = [self._converted(branch) for branch in schema[key]]
        return {"anyOf": [schema, {"type": "null"}]} if nullable else schema


def _place(parameter: Mapping[str, Any]) -> tuple[str, str]:
    return parameter["in"], parameter["name"]


def _matched(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    values: dict[str, str] = {}
    for wanted, part in zip(template, parts, strict=True):
        if name := re.fullmatch(r"\{(.+)\}", wanted):
            if not part:
                return None
            values[name[1]] = unquote(part)
        elif wanted != part:
            return None
    return values


def _coerced(where: str, kind: object, text: str) -> object:
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
            case _:
                return text
    except (ValueError, KeyError) as error:
        raise ContractMismatchError(f"{where}: {text!r} is no {kind}") from error


def _parts(where: str, content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not message.is_multipart() or message.defects:
        raise ContractMismatchError(f"{where}: not a multipart body")
    parts: dict[str, str] = {}
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition") if not isinstance(part, str) else None
        if isinstance(part, str) or not isinstance(name, str) or name in parts:
            raise ContractMismatchError(f"{where}: a part without its own name")
        payload = part.get_payload(decode=True)
        parts[name] = payload.decode() if isinstance(payload, bytes) else ""
    return parts
