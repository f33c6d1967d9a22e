"""Translation is pure: of the document and nothing else, and it fails in one way only."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mappings.errors import UnreadableDocumentError
from schemas.documents import RawDocument
from tests.connectors.bench import CALLBACK, PERSONAL, A, B, Bench, Laws, basket, documents

JUNK: tuple[object, ...] = (None, "junk", -7, 7.5, {}, [{"junk": 1}])


class DocumentLaws(Laws):
    def test_the_same_document_gives_the_same_facts(self) -> None:
        bench, found = self._everything()
        other = self.bench()
        assert len({one.topic for one in found}) >= 4
        for document in found:
            facts = list(bench.translate(document))
            assert list(bench.translate(document)) == facts
            bench.clock.advance(86_400)
            assert list(other.translate(replace(document, event_id="another"))) == facts
        assert sum(len(bench.translate(document)) for document in found) > 20

    def test_unknown_fields_are_ignored(self) -> None:
        bench, found = self._everything()
        for document in found:
            facts = list(bench.translate(document))
            for body in _with_one_more_field(document.body):
                assert list(bench.translate(replace(document, body=body))) == facts

    def test_an_unknown_topic_cannot_be_read(self) -> None:
        bench, found = self._everything()
        for document in found:
            for topic in ("", "no/such-topic", f"{document.topic}s"):
                with pytest.raises(UnreadableDocumentError):
                    bench.translate(replace(document, topic=topic))

    def test_half_a_document_cannot_be_read(self) -> None:
        bench, found = self._everything()
        for document in found:
            size = len(document.body)
            if not bench.translate(document):
                continue
            for cut in sorted({0, 1, size // 3, size // 2, size - 1}):
                _unreadable(bench, replace(document, body=document.body[:cut]))
            _unreadable(bench, replace(document, body=b"\xff\xfe\x00"))
            _unreadable(bench, replace(document, body=b"<html><body>Down</body></html>"))
            _unreadable(bench, replace(document, body=b"[" * 50_000))
            _unreadable(bench, replace(document, body=b"[]"))
            _unreadable(bench, replace(document, body=b"null"))

    def test_whatever_stands_in_a_field_there_is_one_error_without_personal_data(self) -> None:
        bench, found = self._everything()
        told: list[str] = []
        for document in _one_of_each_shape(found):
            for body in _with_one_field_spoiled(document.body):
                try:
                    bench.translate(replace(document, body=body))
                except UnreadableDocumentError as error:
                    told.append(_told(error))
        assert len(told) > 50
        assert [text for text in told if not _is_clean(text)] == []

    def _everything(self) -> tuple[Bench, list[RawDocument]]:
        """Every kind of document that the account gives, of a day with a sale, a cancellation and a return."""
        bench = self.bench()
        if bench.capabilities.has_webhooks:
            bench.hub.ensure_webhooks(CALLBACK)
        bench.stock((A, 20), (B, 20))
        order_id = self.waiting_order(bench, (A, 3), (B, 2))
        bench.emulator.cancel(order_id, basket((A, 1)), bench.clock.now())
        left = self.order_that_left(bench, (A, 2), (B, 1))
        bench.emulator.give_back(left, basket((A, 1)), bench.point, bench.clock.now())
        self.paid_order(bench, (B, 4))
        bench.clock.advance(60)
        pulls = (
            bench.hub.pull_places(),
            bench.hub.pull_catalogue(),
            bench.hub.pull_stock(bench.rig.stock_points),
        )
        found = [document for pages in pulls for document in documents(pages)] + bench.pull()
        if bench.capabilities.has_webhooks:
            found += [document for hook in bench.deliveries() for document in bench.receive(hook)]
        return bench, found


def _unreadable(bench: Bench, document: RawDocument) -> None:
    with pytest.raises(UnreadableDocumentError) as caught:
        bench.translate(document)
    assert str(caught.value)
    assert _is_clean(_told(caught.value))


def _told(error: BaseException | None) -> str:
    """What a traceback would print of an error and of those behind it."""
    if error is None:
        return ""
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{error!r} {error} {_told(behind)}"


def _is_clean(text: str) -> bool:
    return not any(word in text.lower() for word in PERSONAL)


def _one_of_each_shape(found: list[RawDocument]) -> list[RawDocument]:
    """The fullest document of each kind: those of one kind are read by the same code."""
    kinds: dict[object, RawDocument] = {}
    for document in sorted(found, key=lambda one: len(one.body)):
        kinds[document.heard, document.topic.removesuffix("d").rpartition("/")[0] or document.topic] = document
    return list(kinds.values())


Path = tuple[str | int, ...]


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:  # a wire document
    yield path
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield from _paths(inner, (*path, name))


def _with_one_more_field(body: bytes) -> Iterator[bytes]:
    """The document with a field that nobody knows, once in each of its objects."""
    for path in list(_paths(json.loads(body))):
        changed = json.loads(body)
        owner = changed
        for step in path:
            owner = owner[step]
        if isinstance(owner, dict):
            owner["nervure_unknown"] = 0
            yield json.dumps(changed).encode()


def _with_one_field_spoiled(body: bytes) -> Iterator[bytes]:
    """The document with one value taken out, or replaced by junk."""
    for path in list(_paths(json.loads(body))):
        if not path or any(isinstance(step, int) and step > 0 for step in path):
            continue  # the first of a list stands for all of it
        for junk in (..., *JUNK):
            changed = json.loads(body)
            owner = changed
            for step in path[:-1]:
                owner = owner[step]
            if junk is ...:
                del owner[path[-1]]
            else:
                owner[path[-1]] = junk
            yield json.dumps(changed).encode()
