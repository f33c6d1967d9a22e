"""What people read of a window: one line, and one page of Markdown. Counts, times and reasons; no person, no secret."""

from collections.abc import Sequence

from nervure.operations.results import Results, percentile
from nervure.store.inbox import DeadLetter

MAX_LETTERS = 20
MAX_REASON = 300


def headline(results: Results) -> str:
    """The counts of all accounts in one line."""
    kinds = sorted(results.by_kind().items(), key=lambda pair: (-pair[1], pair[0]))
    said = [f"{count} {kind}" for kind, count in kinds[:4]]
    if results.latencies:
        said.append(f"p50 {_seconds(results, 0.5)}")
    trouble = len(results.problems) + len(results.warnings)
    if trouble:
        said.append(f"{trouble} in trouble")
    return ", ".join(said) or "nothing to do"


def markdown(title: str, results: Results, letters: Sequence[DeadLetter]) -> str:
    """The closing page of a window."""
    parts = [f"# {title}", headline(results) + "."]
    for name, sentences in (("To do", results.problems), ("Warnings", results.warnings)):
        if sentences:
            parts.append(f"## {name}")
            parts.append("\n".join(f"- **{_cell(who)}**: {_cell(what)}" for who, what in sorted(sentences.items())))
    if results.counts:
        parts += ["## Counts", _counts(results)]
    if results.latencies:
        figures = ", ".join(f"p{share * 100:.0f} {_seconds(results, share)}" for share in (0.5, 0.95, 0.99))
        parts += ["## From received to handled", f"{figures}, over {len(results.latencies)} documents."]
    if letters:
        parts += ["## Dead letters", _letters(letters)]
    return "\n\n".join(parts) + "\n"


def said_of(letter: DeadLetter, others: int = 0) -> str:
    """Why a document could not be handled and what to do, with how many others there are beside it."""
    more = f" {others} more died with it: `nervure inbox list` shows them." if others else ""
    return (
        f"Document {letter.id} of {letter.channel} ({letter.topic}) could not be handled: {_cell(letter.reason)}."
        f" Mend the cause, then run `nervure inbox replay {letter.id}`.{more}"
    )


def _counts(results: Results) -> str:
    rows = [
        f"| {_cell(account)} | {_cell(kind)} | {count} |"
        for account, kinds in results.by_account().items()
        for kind, count in sorted(kinds.items())
    ]
    return "\n".join(["| account | what | count |", "|---|---|---:|", *rows])


def _letters(letters: Sequence[DeadLetter]) -> str:
    rows = [
        f"| {letter.id} | {_cell(letter.channel)} | {_cell(letter.topic)} | {_cell(letter.reason)} |"
        for letter in letters[:MAX_LETTERS]
    ]
    table = "\n".join(["| id | account | topic | reason |", "|---:|---|---|---|", *rows])
    left = len(letters) - MAX_LETTERS
    return f"{table}\n\nAnd {left} more: `nervure inbox list` shows them." if left > 0 else table


def _seconds(results: Results, share: float) -> str:
    return f"{percentile(results.latencies, share) or 0.0:.2f} s"


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|").rstrip(".")
    return line if len(line) <= MAX_REASON else f"{line[:MAX_REASON]}…"
