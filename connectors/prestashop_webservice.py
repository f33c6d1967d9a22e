"""PrestaShop's web service as calls: what is asked, how it pages, and what its failures mean.

Seen on 8.0.4 unless a comment says otherwise. Answers are JSON, bodies are XML. Lists have no total and no next link,
and rows move between pages while they are read; so a page starts at the last key seen, not at an offset.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from connectors.errors import (
    ConnectorError,
    ContractError,
    CredentialsError,
    RefusedError,
    ScopeError,
    UnavailableError,
)
from connectors.transport import HttpClient, HttpRequest, HttpResponse, Runtime

Row = dict[str, Any]

IDS_IN_ONE_CALL = 100
"""Ids in one `filter[...]=[1|2|...]`: keeps addresses under 1,500 characters."""

_LAST_ID = 2_147_483_647
_ENDLESS = "2099-12-31 23:59:59"
_NOT_XML = 127
_KEY_LACKS_RIGHT = {25, 26}
_BAD_QUESTION = {27, 32, 35}


class Webservice:
    """One key's way into one shop."""

    def __init__(self, key: str, runtime: Runtime) -> None:
        sign_in = base64.b64encode(f"{key}:".encode()).decode()
        self._send = runtime.send
        self._http = HttpClient(
            replace(runtime, send=self._answered),
            platform="PrestaShop",
            headers={"authorization": f"Basic {sign_in}", "accept": "application/json"},
        )

    def rows(
        self,
        resource: str,
        filters: Mapping[str, str],
        *,
        display: str = "full",
        sort: str = "id_ASC",
        limit: str | None = None,
        has_dates: bool = False,
    ) -> list[Row]:
        """Asks for a list; `filters` are written as the service wants them, brackets included."""
        query = [f"display={display}", *(f"filter[{name}]={value}" for name, value in filters.items())]
        # without date=1 a filter on a date is refused as unknown
        query += ["date=1"] if has_dates else []
        query += [f"sort=[{sort}]", *([f"limit={limit}"] if limit else []), "output_format=JSON"]
        path = f"/api/{resource}?{quote('&'.join(query), safe='=&[],|:')}"
        return _list(self._http.request("GET", path), resource)

    def rows_of(
        self,
        resource: str,
        field: str,
        ids: Iterable[int],
        *,
        filters: Mapping[str, str] | None = None,
        display: str = "full",
        page_size: int = 500,
    ) -> Iterator[Row]:
        """All rows whose `field` is one of `ids`."""
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), IDS_IN_ONE_CALL):
            some = {**(filters or {}), field: f"[{'|'.join(map(str, wanted[start : start + IDS_IN_ONE_CALL]))}]"}
            if field == "id":
                yield from self.rows(resource, some, display=display)
                continue
            for page in self.pages(resource, some, display=display, page_size=page_size):
                yield from page

    def pages(
        self, resource: str, filters: Mapping[str, str], *, display: str = "full", page_size: int = 500
    ) -> Iterator[list[Row]]:
        """All rows by ascending id; each page starts behind the last id seen, so that a deletion shifts nothing."""
        first = 1
        while True:
            page = self.rows(
                resource, {**filters, "id": f"[{first},{_LAST_ID}]"}, display=display, limit=f"0,{page_size}"
            )
            if page:
                yield page
            if len(page) < page_size:
                return
            first = int(page[-1]["id"]) + 1

    def changes(
        self, resource: str, filters: Mapping[str, str], since: str, *, display: str = "full", page_size: int
    ) -> Iterator[list[Row]]:
        """Rows by ascending `date_upd` from `since` (shop time, included), each version once.

        A row that changes meanwhile moves to the end and is met again; offsets would then skip its neighbor. So a page
        starts at the last second seen, included. Only inside one full second an offset is used, by half pages.
        """
        seen: set[tuple[int, str]] = set()
        offset = 0
        while True:
            page = self.rows(
                resource,
                {**filters, "date_upd": f"[{since},{_ENDLESS}]"},
                display=display,
                sort="date_upd_ASC,id_ASC",
                limit=f"{offset},{page_size}",
                has_dates=True,
            )
            fresh = [row for row in page if (int(row["id"]), str(row["date_upd"])) not in seen]
            seen.update((int(row["id"]), str(row["date_upd"])) for row in fresh)
            if fresh:
                yield fresh
            if len(page) < page_size:
                return
            last = str(page[-1]["date_upd"])
            since, offset = (last, 0) if last > since else (since, offset + max(1, page_size // 2))

    def patch(self, resource: str, element: str, row: int, fields: Mapping[str, str]) -> Row:
        """Changes the given fields of one row and answers the row, zeros left out.

        It is sent once: after a time-out the caller reads back first.
        """
        body = _xml(element, {"id": str(row), **fields})
        path = f"/api/{resource}/{row}?output_format=JSON"
        answer = self._http.request("PATCH", path, body=body, headers={"content-type": "text/xml"})
        return _single(answer, element)

    def create(self, resource: str, element: str, fields: Mapping[str, str]) -> Row:
        """Creates a row; it is sent once, because nothing tells a repeated one from a new one."""
        path = f"/api/{resource}?output_format=JSON"
        answer = self._http.request("POST", path, body=_xml(element, fields), headers={"content-type": "text/xml"})
        return _single(answer, element)

    def _answered(self, request: HttpRequest) -> HttpResponse:
        response = self._send(request)
        error = _meaning(request, response) if response.status >= 300 else None
        if error is not None:
            raise error
        return response


def _meaning(request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
    """What a failed answer means where its status alone does not tell; None: the status tells it."""
    what = f"PrestaShop answered {response.status} to {request.method} {request.path.partition('?')[0]}"
    faults = _faults(response.body)
    codes = {code for code, _ in faults}
    told = "; ".join(f"{message[:160]} (code {code})" for code, message in faults if code != _NOT_XML)
    error: ConnectorError | None = None
    if response.status < 400:
        error = ContractError(f"{what}: the shop redirects to another address, give that one in the settings")
    elif codes & _KEY_LACKS_RIGHT:
        error = ScopeError(f"{what}: the key lacks this right: {told}")
    elif response.status == 401:
        error = CredentialsError(f"{what}: the web service is off, or does not know this key")
    elif response.status == 403 and 132 in codes:
        error = ScopeError(f"{what}: the key is bound to another shop: {told}")
    elif response.status == 503:
        error = UnavailableError(f"{what}: the shop is down for maintenance")
    elif response.status == 500 and _NOT_XML in codes:
        error = RefusedError(f"{what}: the shop could not read the request as XML (code 127)")
    elif response.status == 500 and request.method == "POST" and not response.body:
        # seen for an order state that does not exist; sending it again cannot help
        error = RefusedError(f"{what}: the shop failed without a word, as it does for an unknown order state")
    elif codes & _BAD_QUESTION and request.method == "GET":
        error = ContractError(f"{what}: {told}")
    elif 400 <= response.status < 429 and told:
        error = RefusedError(f"{what}: {told}")
    return error


def _faults(body: bytes) -> list[tuple[int, str]]:
    """The entries of `{"errors": [{"code", "message"}]}`; none where the body is anything else."""
    try:
        entries = json.loads(body)["errors"]
        return [(int(entry["code"]), str(entry["message"])) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _list(response: HttpResponse, resource: str) -> list[Row]:
    """The rows of a list; none matching is the bare `[]`, and the element's name is not always the resource's."""
    parsed = _json(response, resource)
    found = next(iter(parsed.values()), None) if isinstance(parsed, dict) and len(parsed) == 1 else parsed
    if not isinstance(found, list) or not all(isinstance(row, dict) and row.get("id") for row in found):
        raise ContractError(f"PrestaShop answered to {resource} with something that is not a list of rows")
    return found


def _single(response: HttpResponse, element: str) -> Row:
    parsed = _json(response, element)
    found = parsed.get(element) if isinstance(parsed, dict) else None
    if not isinstance(found, dict):
        raise ContractError(f"PrestaShop answered to a write of {element} with something that is not the row")
    return found


def _json(response: HttpResponse, what: str) -> Any:  # a wire document: typed by who reads it
    """Numbers with a point stay text: no amount goes through a float."""
    try:
        return json.loads(response.body, parse_float=str)
    except (ValueError, RecursionError) as error:
        start = response.body[:2000].lstrip().lower()
        if start.startswith(b"<") and (b'{"' in response.body or response.body.rstrip().endswith(b"[]")):
            reason = "PHP messages before the JSON: display_errors must be off in the shop"
        elif start.startswith(b"<"):
            reason = "a page instead of JSON: maintenance mode, a firewall, or the web service is off"
        else:
            reason = "something that is not JSON"
        raise ContractError(f"PrestaShop answered to {what} with {len(response.body)} bytes: {reason}") from error


def _xml(element: str, fields: Mapping[str, str]) -> bytes:
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f"<prestashop><{element}>{inside}</{element}></prestashop>".encode()


def ids_of(rows: Sequence[Row], field: str) -> set[int]:
    """The ids that rows point to; 0 and empty point to nothing."""
    return {int(row[field]) for row in rows if row.get(field)}
