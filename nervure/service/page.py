"""The one page for people: what every channel shows, and what somebody must look at. No script, no outside file."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from nervure.store.inbox import DeadLetter
from nervure.store.reports import ChannelReport, OpenTask

SHORT_SECONDS = 120

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --bad: #c0392b; --good: #1e8449 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin-bottom: 0 } h2 { font-size: 1.05rem; margin-top: 2rem }
p.lead { color: var(--quiet); margin-top: .2rem }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600; color: var(--quiet) }
td, th { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.bad { color: var(--bad) } .good { color: var(--good) } .quiet { color: var(--quiet) }
"""


def render(
    channels: Sequence[ChannelReport], tasks: Sequence[OpenTask], letters: Sequence[DeadLetter], now: datetime
) -> str:
    """The page as HTML; it asks for itself again every few seconds."""
    body = [
        "<h1>Nervure</h1>",
        f'<p class="lead">{now:%Y-%m-%d %H:%M:%S} UTC</p>',
        _channels(channels, now),
        "<h2>To look at</h2>",
        _tasks(tasks),
        "<h2>Dead letters</h2>",
        _letters(letters),
        '<p class="quiet"><a href="/openapi.json">API</a> · <a href="/status">status as JSON</a></p>',
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Nervure</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _channels(channels: Sequence[ChannelReport], now: datetime) -> str:
    rows = []
    for channel in channels:
        problem = channel.problem or ", ".join(channel.brakes)
        mark = f'<span class="bad">{escape(problem)}</span>' if problem else '<span class="good">working</span>'
        error = f'<span class="bad">{channel.error}</span>' if channel.error else "0"
        rows.append(
            f"<tr><td>{escape(channel.name)}</td><td class=quiet>{escape(channel.platform)}</td>"
            f"<td class=n>{channel.orders}</td><td>{_ago(channel.last_publication, now)}</td>"
            f"<td class=n>{channel.confirmed}</td><td class=n>{channel.pending}</td><td class=n>{error}</td>"
            f"<td class=n>{channel.excluded}</td><td>{mark}</td></tr>"
        )
    head = (
        "<tr><th>channel<th>platform<th class=n>orders<th>last confirmed<th class=n>confirmed<th class=n>pending"
        "<th class=n>error<th class=n>excluded<th>state</tr>"
    )
    return f"<table>{head}{''.join(rows)}</table>"


def _tasks(tasks: Sequence[OpenTask]) -> str:
    if not tasks:
        return '<p class="quiet">Nothing.</p>'
    rows = "".join(
        f"<tr><td class=n>{task.id}</td><td>{escape(task.kind.replace('_', ' '))}</td>"
        f"<td class=quiet>{escape(task.about)}</td><td>{escape(task.text)}</td></tr>"
        for task in tasks
    )
    return f"<table>{rows}</table><p class=quiet>Looked at: <code>nervure tasks done ID</code></p>"


def _letters(letters: Sequence[DeadLetter]) -> str:
    if not letters:
        return '<p class="quiet">None.</p>'
    rows = "".join(
        f"<tr><td class=n>{letter.id}</td><td>{escape(letter.channel)}</td><td class=quiet>{escape(letter.topic)}</td>"
        f"<td>{escape(letter.reason)}</td></tr>"
        for letter in letters
    )
    return f"<table>{rows}</table><p class=quiet>Try one again: <code>nervure inbox replay ID</code></p>"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return '<span class="quiet">never</span>'
    seconds = max(int((now - moment).total_seconds()), 0)
    return f"{seconds} s ago" if seconds < SHORT_SECONDS else f"{seconds // 60} min ago"
