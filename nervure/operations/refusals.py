"""What somebody asked for and cannot be done."""


class RefusalError(Exception):
    """One sentence that says what cannot be done, where, and why; nothing was written."""


class UnknownError(RefusalError):
    """Something was named that the hub does not know."""
