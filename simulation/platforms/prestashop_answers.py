"""How an emulated PrestaShop writes its answers: JSON or XML, whole lists or single rows, and errors.

JSON of a single row leaves out what PHP finds empty; lists and XML keep everything. A written field comes back as the
text that was sent.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

from connectors.transport import HttpResponse
from simulation.platforms.prestashop_rows import FIELDS, RESOURCES, Row

VERSION = "8.0.4"
_ADDRESS = "https://shop.example/api"
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<prestashop xmlns:xlink="http://www.w3.org/1999/xlink">\n'
_XML_TAIL = "</prestashop>\n"
_ROW_NAMES = {
    "order_rows": "order_row",
    "cart_rows": "cart_row",
    "order_slip_details": "order_slip_detail",
    "categories": "category",
    "combinations": "combination",
    "product_option_values": "product_option_value",
    "stock_availables": "stock_available",
    "groups": "group",
}
_INNER_LINKS = {"product_id": "products", "id_customization": "customizations"}
_SESSION = "PrestaShop-0a1b2c3d4e5f=def50200; path=/; HttpOnly; SameSite=Lax"


def php_json(content: object) -> bytes:
    """JSON as PHP writes it: slashes and everything beyond ASCII escaped."""
    return json.dumps(content, separators=(",", ":")).replace("/", "\\/").encode()


def answer(status: int, body: bytes, *, is_json: bool, unchanged_sha1: str = "") -> HttpResponse:
    """An answer with its digest; 304 where the asker has it already."""
    digest = hashlib.sha1(body, usedforsecurity=False).hexdigest()
    headers = {
        "psws-version": VERSION,
        "content-type": "application/json" if is_json else "text/xml;charset=utf-8",
        "content-sha1": digest,
        "set-cookie": _SESSION,
    }
    return HttpResponse(304, headers) if unchanged_sha1 == digest else HttpResponse(status, headers, body)


def failure(status: int, faults: Sequence[tuple[int, str]], *, is_json: bool, version: str = VERSION) -> HttpResponse:
    """The error format, in the form that was asked for."""
    headers = {"psws-version": version, "content-type": "application/json" if is_json else "text/xml;charset=utf-8"}
    if status == 401:
        headers["www-authenticate"] = _REALM
    if is_json:
        return HttpResponse(
            status, headers, php_json({"errors": [{"code": code, "message": text} for code, text in faults]})
        )
    entries = "".join(
        f"<error>\n<code><![CDATA[{code}]]></code>\n<message><![CDATA[{text}]]></message>\n</error>\n"
        for code, text in faults
    )
    return HttpResponse(status, headers, f"{_XML_HEAD}<errors>\n{entries}</errors>\n{_XML_TAIL}".encode())


_REALM = (
    'Basic realm="Welcome to PrestaShop Webservice, please enter the authentication key as the login.'
    ' No password required."'
)


def not_signed_in() -> HttpResponse:
    """No key at all: not the error format."""
    headers = {"www-authenticate": _REALM, "content-type": "text/html; charset=utf-8"}
    return HttpResponse(401, headers, b"401 Unauthorized")


def broken(text: str = "") -> HttpResponse:
    """PHP died: a plain sentence, or nothing."""
    return HttpResponse(500, {"content-type": "text/html; charset=utf-8"}, text.encode())


def missing() -> HttpResponse:
    """A missing id: no body, no content type."""
    return HttpResponse(404, {"psws-version": VERSION, "content-type": ""})


def json_list(resource: str, rows: Sequence[Row], display: Sequence[str] | None) -> bytes:
    """Rows in full (`display` None) or some fields of them; none at all is the bare `[]`."""
    if not rows:
        return b"[]"
    name = RESOURCES[resource].list_name
    if display is None:
        return php_json({name: rows})
    wanted = [field for field in FIELDS[resource] if field in display]
    return php_json({name: [{field: row[field] for field in wanted} for row in rows]})


def json_single(resource: str, row: Row, sent: Mapping[str, str] | None = None) -> bytes:
    """One row without what is empty; `sent` is what a write gave."""
    shown = {**row, **{name: value for name, value in (sent or {}).items() if name in row}}
    return php_json({RESOURCES[resource].row_name: {name: value for name, value in shown.items() if _is_kept(value)}})


def _is_kept(value: object) -> bool:
    return value not in (0, "", "0", None, False)


def xml_list(resource: str, rows: Iterable[Row], display: Sequence[str] | None) -> bytes:
    """The default form: everything is text, nothing is left out."""
    kind = RESOURCES[resource]
    fields = FIELDS[resource] if display is None else [name for name in FIELDS[resource] if name in display]
    if list(fields) == ["id"]:
        inside = "".join(
            f'<{kind.row_name} id="{row["id"]}" xlink:href="{_ADDRESS}/{resource}/{row["id"]}"/>\n' for row in rows
        )
    else:
        inside = "".join(_xml_row(resource, row, fields, whole=display is None) for row in rows)
    return f"{_XML_HEAD}<{kind.list_name}>\n{inside}</{kind.list_name}>\n{_XML_TAIL}".encode()


def xml_single(resource: str, row: Row) -> bytes:
    """One row in full."""
    return f"{_XML_HEAD}{_xml_row(resource, row, FIELDS[resource], whole=True)}{_XML_TAIL}".encode()


def _xml_row(resource: str, row: Row, fields: Sequence[str], *, whole: bool) -> str:
    kind = RESOURCES[resource]
    lines = [f"<{kind.row_name}>\n"]
    for name in fields:
        fixed = ' notFilterable="true"' if name == "shipping_number" else ""
        lines.append(_xml_field(name, row[name], kind.links, fixed))
    if whole and "associations" in row:
        lines.append("<associations>\n")
        for name, entries in row["associations"].items():
            inner = _ROW_NAMES[name]
            lines.append(f'<{name} nodeType="{inner}" virtualEntity="true">\n')
            for entry in entries:
                texts = "".join(_xml_field(key, value, _INNER_LINKS) for key, value in entry.items())
                lines.append(f"\t<{inner}>\n{texts}\t</{inner}>\n")
            lines.append(f"</{name}>\n")
        lines.append("</associations>\n")
    lines.append(f"</{kind.row_name}>\n")
    return "".join(lines)


def _xml_field(name: str, value: object, links: Mapping[str, str], attributes: str = "") -> str:
    target = links.get(name)
    link = f' xlink:href="{_ADDRESS}/{target}/{value}"' if target else ""
    return f"\t<{name}{link}{attributes}>{_xml_value(value)}</{name}>\n"


def _xml_value(value: object) -> str:
    if isinstance(value, list):
        return "".join(f'<language id="{entry["id"]}">{_xml_value(entry["value"])}</language>' for entry in value)
    text = "" if value is None or value is False else str(value)
    return f"<![CDATA[{text}]]>" if "]]>" not in text else escape(text)
