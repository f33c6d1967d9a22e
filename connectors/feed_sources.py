"""Where a supplier's files lie: an HTTP address, or a folder of this machine or of an SFTP server.

A file counts as complete when it does not carry a temporary name, did not change while it was read, and, where the
supplier writes them, has its `.done` marker, which must not be older than the file itself.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from connectors.errors import ContractError, FeedHeldError, RefusedError, ScopeError, UnavailableError
from connectors.transport import HttpClient, HttpResponse

DONE_SUFFIX = ".done"
TEMPORARY_SUFFIXES = (".part", ".tmp", ".filepart", ".partial", ".crdownload")
MAX_FILE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a folder. `modified_at` is on the clock of whoever keeps it."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A complete file. `stated_at`: of what time it says it is; None: it does not say. `version`: to know it again."""

    name: str
    body: bytes
    stated_at: datetime | None
    version: str


class FeedSource(Protocol):
    """Where the newest complete feed comes from."""

    def newest(self, taken_version: str | None) -> FeedFile | None:
        """The newest complete feed; None: it is still the one with `taken_version`.

        Raises:
            FeedHeldError: there is none, or it is unfinished.
        """


class FileStore(Protocol):
    """A place with folders and files; the same promises on a disk and over SFTP."""

    def entries(self, folder: str) -> list[FileEntry]:
        """The files of a folder."""

    def read(self, folder: str, name: str) -> bytes:
        """A whole file."""

    def put(self, folder: str, name: str, body: bytes) -> None:
        """Writes a new file under a temporary name, then gives it its name; one that has it is left alone."""

    def move(self, folder: str, name: str, to_folder: str) -> None:
        """Moves a file out of the way; gone already: nothing happens. No other file is overwritten."""


class LocalFiles:
    """Folders of this machine."""

    def entries(self, folder: str) -> list[FileEntry]:
        found: list[FileEntry] = []
        with _disk_errors(folder):
            for path in Path(folder).iterdir():
                with suppress(FileNotFoundError):  # taken away meanwhile
                    if path.is_file():
                        facts = path.stat()
                        modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
                        found.append(FileEntry(path.name, facts.st_size, modified_at))
        return found

    def read(self, folder: str, name: str) -> bytes:
        with _disk_errors(folder):
            return Path(folder, name).read_bytes()

    def put(self, folder: str, name: str, body: bytes) -> None:
        final, temporary = Path(folder, name), Path(folder, f".{name}.part")
        with _disk_errors(folder):
            if final.exists():
                return
            with temporary.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(final)
            _sync_folder(folder)

    def move(self, folder: str, name: str, to_folder: str) -> None:
        with _disk_errors(folder), suppress(FileNotFoundError):
            Path(to_folder).mkdir(parents=True, exist_ok=True)
            taken = {entry.name for entry in self.entries(to_folder)}
            Path(folder, name).rename(Path(to_folder, free_name(name, taken)))
            _sync_folder(to_folder)


@contextmanager
def _disk_errors(folder: str) -> Iterator[None]:
    """Turns the errors of a disk into ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ContractError(f"folder {folder!r} or the file in it is not there") from error
    except PermissionError as error:
        raise ScopeError(f"folder {folder!r} may not be used by this program") from error
    except OSError as error:
        raise UnavailableError(f"folder {folder!r} does not work: {error.strerror}") from error


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_name(name: str, taken: set[str]) -> str:
    """A name that no file of a folder has: the supplier may use one name for every file it sends."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}.{count}"
    return free


def complete_files(entries: list[FileEntry], pattern: str, *, has_done_marker: bool) -> list[FileEntry]:
    """The complete files whose name fits the pattern, oldest first."""
    markers = {entry.name.removesuffix(DONE_SUFFIX): entry for entry in entries if entry.name.endswith(DONE_SUFFIX)}

    def is_complete(entry: FileEntry) -> bool:
        if not has_done_marker:
            return True
        marker = markers.get(entry.name)
        return marker is not None and marker.modified_at >= entry.modified_at

    return sorted(
        (entry for entry in entries if is_wanted(entry.name, pattern) and is_complete(entry)),
        key=lambda entry: (entry.modified_at, entry.name),
    )


def is_wanted(name: str, pattern: str) -> bool:
    """Whether a name fits, and is neither hidden nor temporary nor a marker."""
    if name.startswith((".", "~")) or name.lower().endswith((*TEMPORARY_SUFFIXES, DONE_SUFFIX)):
        return False
    return fnmatchcase(name, pattern)


@dataclass(frozen=True, slots=True)
class FileFeed:
    """The newest complete file of a folder. A file younger than `settle_seconds` is taken as still being written."""

    store: FileStore
    folder: str
    pattern: str
    has_done_marker: bool
    settle_seconds: float
    now: Callable[[], datetime]

    def newest(self, taken_version: str | None) -> FeedFile | None:
        entries = self.store.entries(self.folder)
        complete = [
            entry
            for entry in complete_files(entries, self.pattern, has_done_marker=self.has_done_marker)
            if (self.now() - entry.modified_at).total_seconds() >= self.settle_seconds
        ]
        if not complete:
            raise FeedHeldError(self._why_none(entries))
        entry = complete[-1]
        version = f"{entry.name}|{entry.size_bytes}|{entry.modified_at.isoformat()}"
        if version == taken_version:
            return None
        if entry.size_bytes > MAX_FILE_BYTES:
            raise FeedHeldError(f"feed {entry.name!r} is larger than {MAX_FILE_BYTES // 2**20} MiB")
        body = self.store.read(self.folder, entry.name)
        if entry not in self.store.entries(self.folder) or len(body) != entry.size_bytes:
            raise FeedHeldError(f"feed {entry.name!r} is unfinished: it changed while it was read")
        return FeedFile(entry.name, body, entry.modified_at, version)

    def _why_none(self, entries: list[FileEntry]) -> str:
        where = f"folder {self.folder!r}"
        fitting = [entry.name for entry in entries if is_wanted(entry.name, self.pattern)]
        if not fitting:
            return f"{where} has no complete feed named like {self.pattern!r}"
        waits_for = f"has no newer {DONE_SUFFIX} marker" if self.has_done_marker else "is still being written"
        return f"the feed is unfinished: {max(fitting)!r} in {where} {waits_for}"


@dataclass(frozen=True, slots=True)
class HttpFeed:
    """A feed at one address; its time is the declared header's, else Last-Modified."""

    client: HttpClient
    path: str
    has_done_marker: bool
    as_of_header: str | None

    def newest(self, taken_version: str | None) -> FeedFile | None:
        if self.has_done_marker:
            self._wait_for_marker()
        response = self.client.request("GET", self.path, headers=_conditions(taken_version))
        if response.status == 304:
            return None
        if response.status != 200:
            raise ContractError(f"the feed's address answered {response.status}: it has moved or has no content")
        _check_length(response)
        return FeedFile(self.path.partition("?")[0], response.body, self._stated_at(response), _version(response))

    def _wait_for_marker(self) -> None:
        path, question, query = self.path.partition("?")
        try:
            self.client.request("GET", f"{path}{DONE_SUFFIX}{question}{query}")
        except RefusedError as error:
            raise FeedHeldError(f"the feed is unfinished: it has no {DONE_SUFFIX} marker") from error

    def _stated_at(self, response: HttpResponse) -> datetime | None:
        if self.as_of_header is not None:
            stated = _header_time(response.headers.get(self.as_of_header.lower(), ""))
            if stated is None:
                raise ContractError(
                    f"the feed's header {self.as_of_header!r} is missing or is not a time with its zone"
                )
            return stated
        return _header_time(response.headers.get("last-modified", ""))


def _header_time(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)


def _version(response: HttpResponse) -> str:
    return "\n".join((response.headers.get("etag", ""), response.headers.get("last-modified", "")))


def _conditions(version: str | None) -> Mapping[str, str]:
    etag, _, modified = (version or "").partition("\n")
    if etag:
        return {"if-none-match": etag}
    return {"if-modified-since": modified} if modified else {}


def _check_length(response: HttpResponse) -> None:
    announced = response.headers.get("content-length", "")
    is_coded = response.headers.get("content-encoding", "identity") != "identity"
    if announced.isdecimal() and not is_coded and int(announced) != len(response.body):
        raise FeedHeldError(f"the feed is unfinished: {len(response.body)} of {announced} bytes came")
    if len(response.body) > MAX_FILE_BYTES:
        raise FeedHeldError(f"the feed is larger than {MAX_FILE_BYTES // 2**20} MiB")
