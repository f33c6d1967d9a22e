"""Bytes of a feed to text: compression, encodings, and the signs that an encoding was wrong somewhere on the way."""

import codecs
import re
import zlib
from dataclasses import dataclass

from mappings.errors import UnreadableDocumentError

MAX_FEED_BYTES = 512 * 2**20
"""A feed that unpacks to more than this is refused before it fills the memory."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MULTIBYTE_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NON_ASCII_BYTE = re.compile(rb"[\x80-\xff]")
_CHANCE = 10
"""Windows-1252 text has a sequence that is UTF-8 by chance (a capital É before a closing guillemet), but rarely."""

_NON_ASCII_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class FeedText:
    """Decoded text; `damage` says why the encoding cannot be right (the text then holds replacement characters)."""

    text: str
    encoding: str
    damage: str | None = None


def unpacked(body: bytes) -> tuple[bytes, str | None]:
    """Takes gzip off; answers the bytes and, when the compressed file breaks off, what is wrong.

    Raises:
        UnreadableDocumentError: not gzip inside, or larger than `MAX_FEED_BYTES`.
    """
    if not body.startswith(b"\x1f\x8b"):
        return body, None
    parts: list[bytes] = []
    size = 0
    while body.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            part = unpacker.decompress(body, MAX_FEED_BYTES - size + 1)
        except zlib.error as error:
            raise UnreadableDocumentError(f"the feed is not readable as gzip: {error}") from error
        size += len(part)
        if size > MAX_FEED_BYTES:
            raise UnreadableDocumentError(f"the feed unpacks to more than {MAX_FEED_BYTES // 2**20} MiB")
        parts.append(part)
        if not unpacker.eof:
            return b"".join(parts), "the compressed file breaks off: it was taken before it was complete"
        body = unpacker.unused_data
    return b"".join(parts), None


def decoded(body: bytes, declared: str | None) -> FeedText:
    """Reads text in its declared encoding, or finds it: byte order mark, UTF-8, else Windows-1252."""
    if declared is not None:
        return _in_declared(body, declared)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return _in_declared(body, encoding)
    try:
        return FeedText(body.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        where = error.start
    characters = len(_MULTIBYTE_UTF8.findall(body))
    stray = len(_NON_ASCII_BYTE.findall(_MULTIBYTE_UTF8.sub(b"", body)))
    if characters * _CHANCE >= stray:
        damage = f"mixed encodings: {characters} characters are UTF-8, {stray} are not (first at byte {where})"
        return FeedText(body.decode("utf-8", "replace"), "utf-8", damage)
    try:
        return FeedText(body.decode("cp1252"), "cp1252")
    except UnicodeDecodeError as error:
        damage = f"wrong encoding: neither UTF-8 nor Windows-1252 (byte at position {error.start})"
        return FeedText(body.decode("cp1252", "replace"), "cp1252", damage)


def _in_declared(body: bytes, declared: str) -> FeedText:
    encoding = codecs.lookup(declared).name
    if encoding == "utf-8" and body.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    try:
        text = body.decode(encoding)
    except UnicodeError as error:
        where = f" (byte at position {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        damage = f"wrong encoding: the feed is not {declared}{where}"
        return FeedText(body.decode(encoding, "replace"), encoding, damage)
    if not encoding.startswith("utf") and _is_really_utf8(body):
        return FeedText(text, encoding, f"wrong encoding: the feed is declared as {declared}, but it is UTF-8")
    return FeedText(text, encoding)


def _is_really_utf8(body: bytes) -> bool:
    # A single-byte encoding reads anything; text with accents that is valid UTF-8 throughout is UTF-8.
    if not _MULTIBYTE_UTF8.search(body):
        return False
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_damaged(text: str) -> bool:
    """Whether a piece of text went through a wrong encoding: replacement characters, or UTF-8 read as Windows-1252."""
    if text.isascii():
        return False
    return _REPLACEMENT in text or any(_was_utf8(run[0]) for run in _NON_ASCII_RUN.finditer(text))


def _was_utf8(run: str) -> bool:
    for encoding in ("cp1252", "latin-1"):
        try:
            run.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return True
    # A run cut in the middle of a sequence still begins with the image of the replacement character.
    return "ï¿½" in run
