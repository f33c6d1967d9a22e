"""The one error of translation."""

MAX_SENTENCE = 300


class UnreadableDocumentError(Exception):
    """A document that no mapping can read: what is wrong, and where in it. Holds no personal data.

    The sentence is for people: what a platform wrote at length is cut.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence if len(sentence) <= MAX_SENTENCE else f"{sentence[: MAX_SENTENCE - 1]}…")
