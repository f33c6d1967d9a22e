"""The one error of translation."""


class UnreadableDocumentError(Exception):
    """A document that no mapping can read: what is wrong, and where in it. Holds no personal data."""
