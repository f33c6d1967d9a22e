"""Names that people give when they book: refused in one sentence where no database could keep them."""

import re

from nervure.operations.refusals import RefusalError

MAX_NAME = 255
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class UnusableNameError(RefusalError):
    """A name that cannot be kept."""


def check_names(document: str, *, owner: str, lot: str = "") -> None:
    """Whether a document, an owner and a lot can be kept as they were written.

    Raises:
        UnusableNameError: one cannot.
    """
    for what, name in (("document", document), ("lot", lot or "-")):
        if not 1 <= len(name.strip()) <= len(name) <= MAX_NAME or not name.isprintable():
            raise UnusableNameError(f"the {what} needs a name of 1 to {MAX_NAME} printable characters")
    if not _OWNER.fullmatch(owner):
        raise UnusableNameError(f"{owner!a} names no owner: use letters, digits, '.', '-' and '_'")
