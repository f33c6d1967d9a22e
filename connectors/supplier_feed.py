"""A supplier known by its files: a feed of offers in, orders out, replies in, over HTTP, SFTP or a folder.

There is no standard and so no API version; the facts of the field were read on 2026-11-22. Limits: a feed of at most
512 MiB, no ceiling on requests of ours. Conditional requests save a feed that did not change within one connection.

Orders go out exactly once by our reference: it is the name of the file, or the `Idempotency-Key` of the request.
A supplier that takes its files away names where it puts them (`taken_path`), or deduplicates on the reference inside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

from connectors.errors import ContractError, FeedHeldError, RefusedError
from connectors.feed_sources import (
    FeedFile,
    FeedSource,
    FileFeed,
    FileStore,
    HttpFeed,
    LocalFiles,
    complete_files,
)
from connectors.records import Page, Supplier
from connectors.supplier_settings import OrderSettings, Place, ReplySettings, SupplierFeedSettings
from connectors.supplier_sftp import SftpFiles
from connectors.transport import HttpClient, HttpRequest, HttpResponse, Runtime, Send
from mappings.errors import UnreadableDocumentError
from mappings.feed_trees import looked_up, parsed_json
from mappings.supplier_feed import (
    FeedDeclaration,
    FeedReading,
    feed_document,
    judge_feed,
    read,
    read_feed,
)
from mappings.supplier_orders import HeardReply, numbered, order_document, read_replies
from schemas.documents import RawDocument
from schemas.dropship import DropShipOrder, SupplierReply

MAX_REPLY_PAGES = 1000


class SupplierFeedConnection:
    """One supplier's exchange of files."""

    def __init__(self, settings: SupplierFeedSettings, runtime: Runtime, sftp: FileStore | None) -> None:
        self._settings = settings
        self._now = runtime.now
        headers = {name.lower(): value.get_secret_value() for name, value in settings.headers.items()}
        wire = replace(runtime, send=_already_there_is_done(runtime.send))
        self._http = HttpClient(wire, platform=settings.name, headers=headers)
        self._sftp = sftp
        self._source = self._feed_source()
        self._taken_version: str | None = None

    def check(self) -> str:
        file = self._source.newest(None)
        if file is None:
            return f"{self._settings.name}: the feed is there, and has not changed"
        _, reading = self._believable(file)
        stated = "" if file.stated_at is None else f" of {file.stated_at:%Y-%m-%d %H:%M} UTC"
        refused = f", {len(reading.refused)} rows refused" if reading.refused else ""
        return f"{self._settings.name}: feed {file.name!r}{stated}, {len(reading.offers)} offers{refused}"

    def pull_offers(self) -> Iterator[Page]:
        file = self._source.newest(self._taken_version)
        if file is None:
            return
        document, reading = self._believable(file)
        newest = max((offer.as_of for offer in reading.offers), default=document.happened_at)
        yield Page((replace(document, happened_at=newest),))
        self._taken_version = file.version  # only now: the caller came back, so it has stored the page

    def send_order(self, order: DropShipOrder) -> None:
        place = self._settings.orders
        if place is None:
            raise ContractError(f"{self._settings.name} takes no orders: its settings have no section `orders`")
        try:
            body = order_document(order, place)
        except UnreadableDocumentError as error:
            raise RefusedError(str(error)) from error
        if place.source == "http":
            self._post_order(order.reference, place, body)
            return
        name = f"{quote(order.reference, safe='')}.{place.format}"
        store = self._store(place)
        if place.taken_path is None or name not in {entry.name for entry in store.entries(place.taken_path)}:
            store.put(place.path, name, body)

    def pull_replies(self) -> Iterator[SupplierReply]:
        place = self._settings.replies
        if place is None:
            return
        problems: list[str] = []
        yield from (
            self._replies_over_http(place, problems)
            if place.source == "http"
            else self._replies_in_files(place, problems)
        )
        if problems:
            raise RefusedError(
                f"{self._settings.name}: {len(problems)} problems with replies, which stay where they are: "
                + "; ".join(problems[:5])
            )

    def _feed_source(self) -> FeedSource:
        feed = self._settings.feed
        if feed.source == "http":
            return HttpFeed(self._http, feed.path, feed.has_done_marker, feed.as_of_header)
        return FileFeed(
            self._store(feed), feed.path, feed.pattern, feed.has_done_marker, feed.settle_seconds, self._now
        )

    def _store(self, place: Place) -> FileStore:
        if place.source == "folder":
            return LocalFiles()
        assert self._sftp is not None  # the settings say so
        return self._sftp

    def _believable(self, file: FeedFile) -> tuple[RawDocument, FeedReading]:
        """The feed's document, unless the file alone shows that it must be held."""
        settings = self._settings
        declaration = FeedDeclaration(
            supplier=settings.name,
            time_zone=settings.time_zone,
            shape=settings.feed.shape(),
            decimal=settings.feed.decimal,
            currency=settings.feed.currency,
            as_of_format=settings.feed.as_of_format,
            units_words=settings.feed.units_words,
            limits=settings.limits,
            as_of=file.stated_at,
        )
        if declaration.as_of is None and not declaration.has_own_time:
            declaration = declaration.model_copy(update={"as_of": self._now()})
        document = feed_document(declaration, file.body)
        try:
            reading = read_feed(document)
        except UnreadableDocumentError as error:
            raise FeedHeldError(f"{settings.name}: feed {file.name!r} is held: {error}") from error
        reason = judge_feed(reading, None, settings.limits) or self._from_the_future(reading)
        if reason is not None:
            raise FeedHeldError(f"{settings.name}: feed {file.name!r} is held: {reason}")
        return document, reading

    def _from_the_future(self, reading: FeedReading) -> str | None:
        latest = self._now() + timedelta(seconds=self._settings.max_ahead_seconds)
        newest = max((offer.as_of for offer in reading.offers), default=latest)
        if newest <= latest:
            return None
        return f"its figures are of {newest:%Y-%m-%d %H:%M} UTC, which is still to come: check its time zone"

    def _post_order(self, reference: str, place: OrderSettings, body: bytes) -> None:
        kind = "application/json" if place.format == "json" else "text/csv; charset=utf-8"
        # A header carries ASCII only; quoting keeps different references different.
        headers = {"content-type": kind, "idempotency-key": quote(reference, safe="")}
        response = self._http.request("POST", place.path, body=body, headers=headers, is_repeatable=True)
        if response.status >= 300:
            raise ContractError(f"the address for orders answered {response.status}: it has moved")

    def _replies_over_http(self, place: ReplySettings, problems: list[str]) -> Iterator[SupplierReply]:
        path: str | None = place.path
        seen: set[str] = set()
        while path is not None:
            if path in seen or len(seen) >= MAX_REPLY_PAGES:
                raise ContractError(f"the pages of replies do not end: {path.partition('?')[0]!r} comes again")
            seen.add(path)
            response = self._http.request("GET", path)
            if response.status not in (200, 204):
                raise ContractError(f"the address for replies answered {response.status}: it has moved")
            for heard in self._heard(response.body, place, path.partition("?")[0], self._now(), problems):
                yield heard.reply
                self._acknowledge(heard, place, problems)
            path = _next_page(response, place)

    def _acknowledge(self, heard: HeardReply, place: ReplySettings, problems: list[str]) -> None:
        if place.acknowledge_path is None or heard.reply_id is None:
            return
        path = place.acknowledge_path.replace("{id}", quote(heard.reply_id, safe=""))
        try:
            self._http.request("POST", path, is_repeatable=True)
        except RefusedError as error:
            problems.append(f"reply {heard.reply_id!r} is read but was not taken back: {error}")

    def _replies_in_files(self, place: ReplySettings, problems: list[str]) -> Iterator[SupplierReply]:
        store = self._store(place)
        done = place.done_path or f"{place.path.rstrip('/')}/done"
        for entry in complete_files(store.entries(place.path), place.pattern, has_done_marker=place.has_done_marker):
            before = len(problems)
            try:
                body = store.read(place.path, entry.name)
            except ContractError:
                if entry.name in {other.name for other in store.entries(place.path)}:
                    raise
                continue  # whoever reads replies at the same time has moved it away
            for heard in self._heard(body, place, entry.name, entry.modified_at, problems):
                yield heard.reply
            if len(problems) == before:
                store.move(place.path, entry.name, done)

    def _heard(
        self, body: bytes, place: ReplySettings, name: str, at: datetime, problems: list[str]
    ) -> tuple[HeardReply, ...]:
        try:
            reading = read_replies(body, place, self._settings.time_zone, at)
        except UnreadableDocumentError as error:
            problems.append(f"{name!r}: {error}")
            return ()
        problems += [f"{name!r} {problem}" for problem in numbered(reading.refused)]
        return reading.replies


def _next_page(response: HttpResponse, place: ReplySettings) -> str | None:
    if place.next_path is None or not response.body.strip():
        return None
    try:
        path = looked_up(parsed_json(response.body.decode("utf-8", "replace"), "the page of replies"), place.next_path)
    except UnreadableDocumentError:
        return None  # told already, as a reply that cannot be read
    if path is not None and not (isinstance(path, str) and path.startswith("/")):
        raise ContractError(f"the next page of replies ({place.next_path!r}) is not a path that starts with a slash")
    return path


def _already_there_is_done(send: Send) -> Send:
    """409 to an order or an acknowledgement says that it is already there: that is what we wanted."""

    def sent(request: HttpRequest) -> HttpResponse:
        response = send(request)
        if request.method == "POST" and response.status == 409:
            return replace(response, status=208)
        return response

    return sent


@contextmanager
def connect(settings: SupplierFeedSettings, runtime: Runtime) -> Iterator[SupplierFeedConnection]:
    """Opens one supplier's exchange; an SFTP session is opened when first used and closed at the end."""
    sftp = None if settings.sftp is None else SftpFiles(settings.sftp)
    try:
        yield SupplierFeedConnection(settings, runtime, sftp)
    finally:
        if sftp is not None:
            sftp.close()


SUPPLIER = Supplier(
    platform="supplier_feed",
    settings=SupplierFeedSettings,
    connect=connect,
    read=read,
)
