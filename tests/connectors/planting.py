"""How a bug is planted.

Most are wrapped around a platform's record, so that one bug serves all platforms. The others are texts replaced in a
function of a platform: its code is compiled anew, swapped in, and swapped back.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from types import FunctionType
from typing import Any

import pytest

from connectors.records import Channel, ChannelSettings, IncomingWebhook, Page
from connectors.transport import HttpRequest, HttpResponse, Runtime
from schemas.documents import Fact, RawDocument, Translation
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome
from schemas.orders import Order, Return

Record = Channel[Any]
EVERYWHERE = ("shopify", "prestashop", "mirakl", "square")
WITH_WEBHOOKS = ("shopify", "square")
WITH_KEYS = ("shopify", "square")
WITH_PLACES = ("shopify", "square")


@dataclass(frozen=True, slots=True)
class Edit:
    """In `function` ("module:name" or "module:Class.method") the text `old`, which stands there once, becomes `new`."""

    function: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug. `law` is where it is looked for first, `also` are others that mean it on some platform."""

    name: str
    law: str
    platforms: Sequence[str] = EVERYWHERE
    record: Callable[[Record], Record] | None = None
    edits: Mapping[str, Edit] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    also: tuple[str, ...] = ()


@contextmanager
def planted(bug: Bug, platform: str) -> Iterator[None]:
    """The bug's texts and values are in force."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for name, value in bug.values.items():
            patch.setattr(name, value)
        if platform in bug.edits:
            stack.enter_context(_edited(bug.edits[platform]))
        yield


@contextmanager
def _edited(edit: Edit) -> Iterator[None]:
    module, _, path = edit.function.partition(":")
    owner: Any = import_module(module)
    for name in path.split("."):
        owner = getattr(owner, name)
    assert isinstance(owner, FunctionType)
    source = textwrap.dedent(inspect.getsource(owner))
    assert source.count(edit.old) == 1, f"{edit.function} holds {edit.old!r} {source.count(edit.old)} times"
    made: dict[str, Any] = {}
    exec(compile(source.replace(edit.old, edit.new), edit.function, "exec"), owner.__globals__, made)  # noqa: S102
    was = owner.__code__
    owner.__code__ = made[owner.__name__].__code__
    try:
        yield
    finally:
        owner.__code__ = was


class Around:
    """A connection that hands every call on; a bug overrides some."""

    def __init__(self, inner: Any, runtime: Runtime, settings: Any) -> None:
        self.inner = inner
        self.runtime = runtime
        self.settings = settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def around(kind: Callable[[Any, Runtime, Any], Any]) -> Callable[[Record], Record]:
    def plant(record: Record) -> Record:
        def connect(settings: ChannelSettings, runtime: Runtime) -> Any:
            return kind(record.connect(settings, runtime), runtime, settings)

        return replace(record, connect=connect)

    return plant


def on_every_call(then: Callable[[Any, Callable[[], Any]], Any]) -> Callable[[Record], Record]:
    """`then(connection, call)` stands around every call; what a pull yields is read to its end inside."""

    class Every(Around):
        def __getattr__(self, name: str) -> Any:
            method = getattr(self.inner, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                found = then(
                    self, lambda: list(method(*args, **kwargs)) if name.startswith("pull_") else method(*args, **kwargs)
                )
                return [] if found is None and (name.startswith("pull_") or name.endswith("_levels")) else found

            return call

    return around(Every)


def on_pages(change: Callable[[list[Page], Runtime], list[Page]]) -> Callable[[Record], Record]:
    """All pages of every pull at once."""

    class Pages(Around):
        def pull_orders(self, since: datetime) -> Iterator[Page]:
            return iter(change(list(self.inner.pull_orders(since)), self.runtime))

        def pull_catalogue(self) -> Iterator[Page]:
            return iter(change(list(self.inner.pull_catalogue()), self.runtime))

    return around(Pages)


def on_page(change: Callable[[Page, Runtime], Page]) -> Callable[[Record], Record]:
    """Each page of orders as it comes."""

    class EachPage(Around):
        def pull_orders(self, since: datetime) -> Iterator[Page]:
            for page in self.inner.pull_orders(since):
                yield change(page, self.runtime)

    return around(EachPage)


def on_documents(change: Callable[[RawDocument], RawDocument]) -> Callable[[Record], Record]:
    return on_page(lambda page, _: replace(page, documents=tuple(map(change, page.documents))))


def on_answers(change: Callable[[list[LevelAnswer]], list[LevelAnswer]]) -> Callable[[Record], Record]:
    class Answers(Around):
        def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
            return change(self.inner.write_levels(writes, idempotency_key=idempotency_key))

        def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
            return change(self.inner.read_receipt(receipt, writes))

    return around(Answers)


def taking(outcome: WriteOutcome, *, as_: WriteOutcome) -> Callable[[Record], Record]:
    return on_answers(
        lambda answers: [replace(one, outcome=as_, receipt=None) if one.outcome is outcome else one for one in answers]
    )


def on_writes(change: Callable[[list[LevelWrite]], list[LevelWrite]]) -> Callable[[Record], Record]:
    """What is sent is not what was asked; the answers are told as if it were."""

    class Writes(Around):
        def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
            sent = change(list(writes))
            answers = self.inner.write_levels(sent, idempotency_key=idempotency_key) if sent else []
            told = {write.key: answer for write, answer in zip(sent, answers, strict=True)}
            done = LevelAnswer(LevelKey("", ""), WriteOutcome.CONFIRMED)
            if len(sent) == len(writes):
                return [replace(answer, key=write.key) for write, answer in zip(writes, answers, strict=True)]
            return [replace(told.get(write.key, done), key=write.key) for write in writes]

    return around(Writes)


def on_facts(change: Callable[[Fact, RawDocument], Fact | None]) -> Callable[[Record], Record]:
    def plant(record: Record) -> Record:
        def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
            found = (change(fact, document) for fact in record.translate(document, translation))
            return [fact for fact in found if fact is not None]

        return replace(record, translate=translate)

    return plant


def on_orders(**change: Callable[[Order], object]) -> Callable[[Record], Record]:
    def told(fact: Fact, _: RawDocument) -> Fact:
        if not isinstance(fact, Order):
            return fact
        return fact.model_copy(update={name: make(fact) for name, make in change.items()})

    return on_facts(told)


def on_returns(change: Callable[[Return, RawDocument], Return | None]) -> Callable[[Record], Record]:
    return on_facts(lambda fact, document: change(fact, document) if isinstance(fact, Return) else fact)


def on_wire(change: Callable[[HttpRequest, Runtime], HttpResponse]) -> Callable[[Record], Record]:
    def plant(record: Record) -> Record:
        def connect(settings: ChannelSettings, runtime: Runtime) -> Any:
            return record.connect(settings, replace(runtime, send=lambda request: change(request, runtime)))

        return replace(record, connect=connect)

    return plant


def on_webhooks(
    change: Callable[[Record, ChannelSettings, IncomingWebhook], Sequence[RawDocument]],
) -> Callable[[Record], Record]:
    return lambda record: replace(record, receive=lambda settings, hook: change(record, settings, hook))


def declaring(**capabilities: Callable[[Any], object]) -> Callable[[Record], Record]:
    def plant(record: Record) -> Record:
        declared = record.capabilities
        update = {name: other(getattr(declared, name)) for name, other in capabilities.items()}
        return replace(record, capabilities=declared.model_copy(update=update))

    return plant
