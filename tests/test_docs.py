"""The documentation is held to the code: its Python runs, its commands exist, its settings load, its links resolve.

- `python` blocks run, in order, page by page, in an empty folder.
- `console` blocks: each line that starts with `$ ` is a command that exists, with options and values that it takes.
  Other lines are its output.
- `toml` blocks are settings; `json` and `yaml` blocks parse.
- `toml` and `ini` blocks of the guides say where in nervure.toml they go, and load where they are pasted.
"""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
import typer.main
import yaml

from nervure.operations.hub import Hub
from nervure.service.app import create_app
from tests.reference import ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.joinpath("docs").rglob("*.md")})
LANGUAGES = {"console", "csv", "html", "http", "ini", "json", "mermaid", "python", "sql", "text", "toml", "xml", "yaml"}
OTHER_COMMANDS = (["git", "clone"], ["cd"], ["export"])
FENCE = re.compile(r"^[ >]*(`{3,}|~{3,})\s*(\S*).*$")
INLINE_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)|^\[[^\]]+\]:\s+(\S+)", flags=re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `line` is the number of its first line in the page."""

    language: str
    line: int
    text: str


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def split_page(page: Path) -> tuple[str, list[Block]]:
    """A page's prose, and its fenced blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    inside: list[str] = []
    fence, language, start = "", "", 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        found = FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2]:
                blocks.append(Block(language, start, dedent("\n".join(inside)) + "\n"))
                fence = ""
            else:
                inside.append(line)
        elif found:
            fence, language, start, inside = found[1], found[2], number + 1, []
        else:
            prose.append(line)
    assert not fence, f"{page_id(page)}:{start - 1}: this block is never closed"
    return "\n".join(prose), blocks


def blocks_of(page: Path, language: str) -> list[Block]:
    return [block for block in split_page(page)[1] if block.language == language]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in HEADING.findall(split_page(page)[0]):
        slug = re.sub(r"[^\w\- ]", "", LINK.sub("", heading).lower()).replace(" ", "-")
        count = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{count}" if count else slug)
    return found


def commands_in(block: Block) -> list[list[str]]:
    """The words of each command of a console block: pipes and lists are taken apart, redirections left out."""
    commands: list[list[str]] = []
    for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
        if line.startswith("$ "):
            lexer = shlex.shlex(re.sub(r"\s#\s.*$", "", line[2:]), posix=True, punctuation_chars=True)
            lexer.commenters = ""
            lexer.whitespace_split = True
            commands += simple_commands(list(lexer))
    return commands


def simple_commands(tokens: list[str]) -> Iterator[list[str]]:
    words: list[str] = []
    remaining = iter(tokens)
    for token in remaining:
        if re.fullmatch(r"[<>]+", token):
            next(remaining)
        elif re.fullmatch(r"[;&|]+", token):
            yield words
            words = []
        else:
            words.append(token)
    if words:
        yield words


def cli() -> Any:  # typer carries a click of its own, which has no public type
    """The command line without its effects: it parses, and does nothing."""
    root = typer.main.get_command(importlib.import_module("nervure.cli").app)
    for _, command in walk(root):
        command.callback = None
    return root


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and all below it, with the words that lead there."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


def loader_of(language: str) -> Callable[[str], object]:
    match language:
        case "json":
            return json.loads
        case "toml":
            return partial(importlib.import_module("nervure.settings_file").load_text, folder=ROOT)
        case _:
            return yaml.safe_load


def is_a_command(words: list[str]) -> bool:
    """Whether these words lead to a command or to a group of commands; what follows a command is not looked at."""
    command = cli()
    for word in words:
        children = getattr(command, "commands", None)
        if children is None:
            return True
        if word not in children:
            return False
        command = children[word]
    return bool(words)


def fault_of(words: list[str]) -> str | None:
    """What is wrong with a command; None: nothing."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    match words:
        case ["nervure", *arguments]:
            try:
                cli().main(arguments, prog_name="nervure", standalone_mode=False)
            except Exception as error:  # typer's errors share no public class
                # A file that a page speaks of need not be here.
                return None if re.fullmatch(r"path .* does not exist\.", str(error)) else str(error)
            return None
        case ["make", *arguments]:
            targets = {word for word in arguments if not re.match(r"-|[A-Z]+=", word)}
            known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
            return f"no target {sorted(targets - known)}" if targets - known else None
        case _:
            is_known = any(words[: len(start)] == start for start in OTHER_COMMANDS)
            return None if is_known else "not one of the commands that the documentation uses"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/reference/cli.md"])
def test_page_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_are_of_known_languages(page: Path) -> None:
    unknown = [f"{page_id(page)}:{b.line}: {b.language!r}" for b in split_page(page)[1] if b.language not in LANGUAGES]
    assert unknown == []


def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, page in enumerate(PAGES):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        module = ModuleType("documentation")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        for block in blocks_of(page, "python"):
            # The empty lines make a traceback name the line of the page.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, vars(module))  # noqa: S102 - the repository's own pages


def test_commands_exist() -> None:
    faults = {
        f"{page_id(page)}:{block.line}: {shlex.join(command)}": fault
        for page in PAGES
        for block in blocks_of(page, "console")
        for command in commands_in(block)
        if (fault := fault_of(command))
    }
    assert faults == {}


@pytest.mark.parametrize("language", ["json", "toml", "yaml"])
def test_data_loads(language: str) -> None:
    faults = {}
    for page in PAGES:
        for block in blocks_of(page, language):
            try:
                loader_of(language)(block.text)
            except Exception as error:  # each loader has its own
                faults[f"{page_id(page)}:{block.line}"] = str(error)
    assert faults == {}


HERE = re.compile(r"# nervure\.toml(?:, in the \[\[(channels|suppliers)\]\] with name = \"([a-z]+)\"|: .+)?$")
MERCHANT = """
[hub]

[[locations]]
code = "WAREHOUSE"
name = "Warehouse"
kind = "warehouse"

[[locations]]
code = "STORE"
name = "Store"
kind = "store"

[[locations]]
code = "WHOLESALER"
name = "Wholesaler"
kind = "supplier"
"""
CHANNEL = """
[[channels]]
name = "{name}"
platform = "prestashop"
url = "https://shop.example.com"
key = {{ env = "PRESTASHOP_KEY" }}
id_shop = 1
time_zone = "Europe/Paris"
stock_points = {{ "1" = ["WAREHOUSE"] }}
"""
WHOLESALER = """
[[suppliers]]
name = "{name}"
platform = "supplier_feed"
location = "WHOLESALER"
ttl_seconds = 3600
feed.source = "sftp"
feed.path = "stock.csv"
feed.format = "csv"
feed.columns = {{ supplier_sku = "sku", units = "stock" }}
"""


def test_settings_of_guides_can_be_pasted_where_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module("nervure.settings_file").load_text
    for name in ("SHOPIFY_TOKEN", "SHOPIFY_SECRET", "PRESTASHOP_KEY", "MIRAKL_KEY", "SQUARE_TOKEN", "WHOLESALER_SFTP"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("SQUARE_SIGNATURE_KEY", "secret")
    faults = {}
    for page in sorted(ROOT.joinpath("docs", "how-to").glob("*.md")):
        for block in (one for one in split_page(page)[1] if one.language in {"toml", "ini"}):
            place = HERE.match(block.text.splitlines()[0])
            if place is None:
                faults[f"{page_id(page)}:{block.line}"] = "does not say where in nervure.toml it goes"
            elif block.language == "ini":
                section = (CHANNEL if place[1] == "channels" else WHOLESALER).format(name=place[2])
                head = f'name = "{place[2]}"\n'
                pasted = section.replace(head, head + block.text) if place[1] else block.text
                try:
                    load(MERCHANT + pasted, folder=ROOT)
                except Exception as error:  # each loader has its own
                    faults[f"{page_id(page)}:{block.line}"] = str(error)
    assert faults == {}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_resolve(page: Path) -> None:
    prose = INLINE_CODE.sub("", split_page(page)[0])
    broken = []
    for target in ("".join(found) for found in LINK.findall(prose)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        is_there = path.is_relative_to(ROOT) and path.exists()
        if not is_there or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_named_in_the_text_exist(page: Path) -> None:
    named = {code for code in INLINE_CODE.findall(split_page(page)[0]) if code.startswith("nervure ")}
    assert {code for code in named if not is_a_command(code.split()[1:])} == set()


def test_every_http_call_is_documented() -> None:
    def never_opened() -> AbstractContextManager[Hub]:
        raise AssertionError

    app = create_app(never_opened, api_token=None)
    paths = app.openapi()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert calls == set(re.findall(r"^\| `([A-Z]+ [^`]+)`", (ROOT / "docs/reference/http.md").read_text("utf-8"), re.M))


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    commands = [" ".join(("nervure", *path)) for path, command in walk(cli()) if not hasattr(command, "commands")]
    assert commands
    assert [command for command in commands if not re.search(rf"`{re.escape(command)}[ `]", page)] == []
