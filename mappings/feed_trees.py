"""JSON and XML to rows: both become one kind of tree, in which declared expressions find the cells."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError

import jmespath
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from jmespath.exceptions import JMESPathError

from mappings.errors import UnreadableDocumentError
from mappings.feed_shape import Cell, FeedRow, FeedTable, TableShape, as_cell
from mappings.feed_text import decoded

MAX_DEPTH = 64


def read_json(body: bytes, shape: TableShape) -> FeedTable:
    source = decoded(body, shape.encoding)
    document = parsed_json(source.text, "the feed")
    return _read_tree(document, shape, (source.damage,) if source.damage else ())


def parsed_json(text: str, what: str) -> Any:  # a wire document
    """Parses JSON with exact numbers.

    Raises:
        UnreadableDocumentError: not JSON, broken off, or nested without end.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise UnreadableDocumentError(f"{what} is nested too deeply") from error
    except ValueError as error:
        raise UnreadableDocumentError(f"{what} is not complete JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def read_xml(body: bytes, shape: TableShape) -> FeedTable:
    parser = DefusedXMLParser(encoding=shape.encoding)
    try:
        parser.feed(body)
        root = parser.close()
    except DefusedXmlException as error:
        raise UnreadableDocumentError("the feed's XML declares entities, which no feed needs") from error
    except (ParseError, LookupError, ValueError) as error:
        raise UnreadableDocumentError(f"the feed is not complete XML in its declared encoding: {error}") from error
    if shape.rows is None:
        return _read_tree([_tree(child) for child in root], shape, ())
    return _read_tree({_local(root.tag): _tree(root)}, shape, ())


def _tree(element: Element, depth: int = 0) -> Any:  # a wire document
    """An element as JSON would have it: attributes as "@name", own text beside them as "#text", repeats as lists."""
    if depth > MAX_DEPTH:
        raise UnreadableDocumentError("the feed's XML is nested too deeply")
    text = (element.text or "").strip()
    if not len(element) and not element.attrib:
        return text
    tree: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.attrib.items()}
    if text:
        tree["#text"] = text
    for child in element:
        name, value = _local(child.tag), _tree(child, depth + 1)
        if name not in tree:
            tree[name] = value
        elif isinstance(tree[name], list):
            tree[name].append(value)
        else:
            tree[name] = [tree[name], value]
    return tree


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _read_tree(document: Any, shape: TableShape, damage: tuple[str, ...]) -> FeedTable:
    found = document if shape.rows is None else looked_up(document, shape.rows)
    if shape.rows is not None and isinstance(found, dict):
        found = [found]  # XML cannot tell a list of one from a thing
    if not isinstance(found, list):
        where = "the document" if shape.rows is None else f"rows ({shape.rows!r})"
        raise UnreadableDocumentError(f"{where} is not a list of rows")
    words = shape.columns.by_word()
    rows = tuple(
        _tree_row(line, parts, words)
        for line, row in enumerate(found, start=1)
        for parts in _parts_of(row, shape.within)
    )
    for word in shape.columns.essential:
        if word in words and rows and all(word not in row.cells for row in rows):
            raise UnreadableDocumentError(f"no row has {words[word]!r} ({word})")
    as_of = None if shape.as_of_path is None else as_cell(looked_up(document, shape.as_of_path))
    return FeedTable(rows, damage, as_of)


def _parts_of(row: Any, within: str | None) -> list[tuple[Any, ...]]:
    """Where the words of each line are looked for, innermost first."""
    inner = None if within is None else looked_up(row, within)
    if isinstance(inner, dict):
        inner = [inner]
    return [(part, row) for part in inner] if isinstance(inner, list) and inner else [(row,)]


def _tree_row(line: int, parts: tuple[Any, ...], words: Mapping[str, str]) -> FeedRow:
    if not all(isinstance(part, dict) for part in parts):
        return FeedRow(line, {}, "the row is not an object with named fields")
    cells: dict[str, Cell] = {}
    for word, path in words.items():
        value = next((value for part in parts if (value := looked_up(part, path)) is not None), None)
        if isinstance(value, dict) and "#text" in value:
            value = value["#text"]
        if isinstance(value, dict | list):
            return FeedRow(line, cells, f"{path!r} ({word}) is not a single value")
        if value is not None:
            cells[word] = as_cell(value)
    return FeedRow(line, cells)


def looked_up(document: Any, path: str) -> Any:  # a wire document
    """What stands under a name, or under a jmespath expression; None: nothing."""
    if isinstance(document, dict) and path in document:
        return document[path]
    try:
        return jmespath.search(path, document)
    except (JMESPathError, ValueError):
        return None  # a plain name that is no expression, and that this row does not have
