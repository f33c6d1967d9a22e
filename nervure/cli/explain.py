"""`nervure explain`: the derivation of a number, as a tree for people or as JSON."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from nervure.cli.common import SettingsOption, about_channel, draw, fail, opened_hub
from nervure.inventory.derivation import AtMost, Node, NotBelowZero, Packed, Scarcest, Share, Total, Units, evaluate
from nervure.operations.explain import Derivation, Explanation, Wanted, as_json
from nervure.operations.explain import explain as derive
from schemas.publications import PublicationState

app = typer.Typer()

MAX_ROWS = 20
"""So many movements or claims of one kind are shown, the newest; JSON has all."""


@app.command(rich_help_panel="See how it stands")
def explain(  # noqa: PLR0917 - a command's arguments are positional
    sku: str,
    location: Annotated[str | None, typer.Option(help="What can be promised at this location.")] = None,
    channel: Annotated[str | None, typer.Option(help="What this channel shows; without: every channel.")] = None,
    at: Annotated[
        str | None, typer.Option(help="A time in the past, 2026-11-27T18:30 (UTC unless it says so).")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="What if: buffer, safety, share, cap, backorder, claims, location:CODE, supplier:NAME, or a document."
        ),
    ] = None,
    as_a_file: Annotated[bool, typer.Option("--json", help="Print JSON, uncut.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Explain a number: what it is made of, and what the channel was told."""
    if location is not None and channel is not None:
        fail("a number is of a location or of a channel: name one of them")
    with opened_hub(settings) as hub, about_channel(hub, channel):
        found = derive(hub, Wanted(sku, location, channel, _moment(at), tuple(without or ())))
    if as_a_file:
        typer.echo(json.dumps(as_json(found), indent=2))
        return
    draw(*trees(found))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        said = datetime.fromisoformat(text)
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        fail(f"{text!r} is not a time: write it as 2026-11-27T18:30")


# -- drawing ---------------------------------------------------------------------------------------------------


def trees(found: Explanation) -> list[Tree]:
    """One tree for each number. A location that was drawn before is not drawn again."""
    drawn: dict[str, Node] = {}
    return [_draw_number(found, one, drawn) for one in found.derivations]


def _draw_number(found: Explanation, one: Derivation, drawn: dict[str, Node]) -> Tree:
    at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    title = Text.assemble((f"{one.derived}", "bold"), "  ", (f"{found.sku} {one.name}", "bold"), (f", {at}", "dim"))
    tree = Tree(title, guide_style="dim")
    if found.left_out:
        tree.add(Text(f"what if: without {' and '.join(found.left_out)}; as it is, it is {one.units}", "yellow"))
    if one.is_doubtful:
        tree.add(Text(f"the hub itself says {one.shown}: run `nervure check`", "bold red"))
    _draw_parts(tree, one.tree, drawn)
    for line in _told(one) if one.is_published else ():
        tree.add(Text(line, "cyan"))
    return tree


def _draw_parts(tree: Tree, node: Node, drawn: dict[str, Node]) -> None:
    parts = _inside(node)
    is_cut = len(parts) > MAX_ROWS and all(isinstance(part, Units) for part in parts)
    rest, rows = (parts[:-MAX_ROWS], parts[-MAX_ROWS:]) if is_cut else ((), parts)
    width = max((len(_number(part)) for part in rows), default=0)
    if rest:
        total = sum(evaluate(part) for part in rest)
        count = f"{total:+d} {'unit' if abs(total) == 1 else 'units'}"
        tree.add(Text(f"{'…':>{width}}  and {len(rest)} more before, {count} (--json has all)", "dim"))
    for part in rows:
        known = drawn.get(part.label) if _is_location(part) else None
        line = _line(part, width)
        if known == part:
            tree.add(line.append(" (as above)", "dim"))
            continue
        if _is_location(part):
            drawn[part.label] = part
        _draw_parts(tree.add(line), part, drawn)


def _is_location(node: Node) -> bool:
    return bool(node.tags) and node.tags[0].startswith("location:")


def _inside(node: Node) -> tuple[Node, ...]:
    """What is drawn below a node: steps that only say what their line says already are skipped."""
    match node:
        case Units():
            return ()
        case Total() | Scarcest():
            return node.parts
        case Share() | AtMost():
            return (node.part,)
        case Packed() | NotBelowZero():
            return _inside(node.part) if isinstance(node.part, Total | NotBelowZero) else (node.part,)


def _number(node: Node) -> str:
    return f"{node.units:+d}" if isinstance(node, Units) and node.units else str(evaluate(node))


def _line(node: Node, width: int) -> Text:
    units = evaluate(node)
    text = Text(f"{_number(node):>{width}}", "red" if units < 0 else "bold")
    text.append(f"  {_says(node)}", "")
    if isinstance(node, Units):
        if node.document:
            text.append(f"  {node.document}", "cyan")
        if node.happened_at:
            text.append(f"  {_when(node)}", "dim")
    return text


def _when(node: Units) -> str:
    happened = f"{node.happened_at:%Y-%m-%d %H:%M}"
    if node.recorded_at is None or f"{node.recorded_at:%Y-%m-%d %H:%M}" == happened:
        return happened
    return f"{happened}, heard {node.recorded_at:%Y-%m-%d %H:%M}"


def _says(node: Node) -> str:
    match node:
        case Share():
            return f"{node.label}: {node.percent} % of {evaluate(node.part)}"
        case AtMost():
            there = evaluate(node.part)
            return f"{node.label}: at most {node.units}" + (f", of {there}" if there > node.units else "")
        case Packed():
            there = evaluate(node.part)
            return f"{node.label}: {there} there" + (f", {there % node.per} left over" if there % node.per else "")
        case NotBelowZero():
            below = evaluate(node.part)
            return f"{node.label}" + (f": {below} counts as 0" if below < 0 else "")
        case Units() | Total() | Scarcest():
            return node.label


def _told(one: Derivation) -> list[str]:
    """What was sent and answered, and what is still to be sent."""
    lines = []
    if one.answer is not None:
        said = f"sent {one.answer.units} at {one.answer.sent_at:%Y-%m-%d %H:%M:%S}, {_ANSWERS[one.answer.state]}"
        said += f" at {one.answer.answered_at:%H:%M:%S}"
        if one.answer.reason:
            said += f" ({one.answer.reason})"
        if one.answer.channel_units is not None:
            said += f"; the channel showed {one.answer.channel_units}"
        lines.append(said)
    now = one.publication
    if now is not None and now.salable_quantity != one.units:
        lines.append(f"not computed yet: the last number is {now.salable_quantity}")
    elif now is not None and now.state is not PublicationState.CONFIRMED:
        lines.append(
            f"{now.state.value}: {now.salable_quantity} is to be shown" + (f" ({now.reason})" if now.reason else "")
        )
    was = one.answer.answered_at if one.answer is not None and one.answer.channel_units is not None else None
    if now is not None and now.channel_units is not None and now.channel_units_at not in (None, was):
        lines.append(f"believed to show {now.channel_units} since {now.channel_units_at:%Y-%m-%d %H:%M:%S}")
    if not lines:
        lines.append("nothing was sent until then")
    return lines


_ANSWERS = {
    PublicationState.CONFIRMED: "confirmed",
    PublicationState.SENT: "taken for an import",
    PublicationState.UNKNOWN: "no answer",
    PublicationState.PENDING: "not taken",
    PublicationState.FAILED: "refused",
    PublicationState.EXCLUDED: "left out",
}
