"""The rules of the house that no linter knows: names, imports of libraries, sets of files, what no file may hold."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import registry
from connectors.records import Channel, Supplier
from tests.reference import ROOT
from tests.requirements_report import rows

PACKAGES = ("flows", "connectors", "mappings", "schemas", "nervure", "simulation")

MAY_IMPORT = {
    "prefect": ("flows/*", "tests/flows/*"),
    "httpx": ("connectors/transport.py", "tests/*", "bench/*"),
    "sqlalchemy": ("nervure/store/*", "migrations/*", "tests/*", "bench/*"),
    "sqlmodel": ("nervure/store/*", "migrations/*", "tests/*"),
}

WRITTEN_BY_US = {".cfg", ".html", ".ini", ".lock", ".mako", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
PATHS_OF_A_MACHINE = re.compile(r"(?<![\w.}])/(?:home|root|tmp|Users)/|\b[A-Z]:\\+Users")
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")

LOAD_ENTRYPOINTS = """
import sys
from prefect.flows import load_flow_from_entrypoint
for entrypoint in sys.argv[1:]:
    load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    print(entrypoint)
"""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def files() -> list[Path]:
    """Every file of the project, committed or not, without what git ignores; in an archive without git, all of it."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        return [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    parts_of = {path: path.relative_to(ROOT).parts for path in ROOT.rglob("*") if path.is_file()}
    return [path for path, parts in parts_of.items() if ".venv" not in parts and "__pycache__" not in parts]


def texts() -> Iterator[tuple[Path, str]]:
    for path in files():
        if path.suffix in WRITTEN_BY_US or relative(path) in ("Makefile", ".ci/run"):
            yield path, path.read_text(encoding="utf-8")


def matches(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{relative(path)}:{number}: {line.strip()}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def imported_modules(path: Path) -> set[str]:
    """Dotted names of what a file imports; of `from a import b` both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def platforms() -> dict[str, Channel[Any] | Supplier[Any]]:
    return {**registry.channels(), **registry.suppliers()}


def reached_from(starts: set[str]) -> set[str]:
    """The modules of connectors and mappings that these import, directly or through others, and these themselves."""
    inside = {f"{package}.{name}" for package in ("connectors", "mappings") for name in modules(package)}
    reached: set[str] = set()
    waiting = starts & inside
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= (imported_modules(ROOT / f"{module.replace('.', '/')}.py") & inside) - reached
    return reached


def modules(package: str) -> set[str]:
    return {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_offered_by_this_project_alone(package: str) -> None:
    assert packages_distributions().get(package) == ["nervure"]


def test_packages_resolve_to_this_repository_from_anywhere(tmp_path: Path) -> None:
    code = f"import importlib\nfor name in {PACKAGES}: print(importlib.import_module(name).__file__)"
    found = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert [Path(line) for line in found.stdout.splitlines()] == [ROOT / name / "__init__.py" for name in PACKAGES]


def test_no_flow_file_shadows_another_module() -> None:
    """Prefect puts flows/ first on sys.path, so that a flow file named like a module hides that module."""
    ours = {*PACKAGES, "tests", "bench", "migrations"}
    taken = ours | sys.stdlib_module_names | packages_distributions().keys()
    assert modules("flows") & taken == set()


def test_every_entrypoint_loads_without_the_placeholder(tmp_path: Path) -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    entrypoints = [deployment["entrypoint"] for deployment in deployments]
    assert entrypoints
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD_ENTRYPOINTS, *entrypoints],
        cwd=ROOT,
        env={**os.environ, "PREFECT_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == entrypoints


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    importers = [
        relative(path)
        for path in files()
        if path.suffix == ".py" and library in {name.partition(".")[0] for name in imported_modules(path)}
    ]
    assert [path for path in importers if not any(fnmatch(path, allowed) for allowed in MAY_IMPORT[library])] == []


def test_whether_the_hub_serves_a_channel_is_said_in_one_place() -> None:
    """Gate and shadow keep everything that the hub does from a channel: whoever tests one alone forgets the other."""
    said = [
        relative(path)
        for path in sorted((ROOT / "nervure").rglob("*.py"))
        for _ in re.findall(r"\bis_(?:gated|shadow)\.is_\(False\)", path.read_text(encoding="utf-8"))
    ]
    assert len(said) == 2, said
    assert len(set(said)) == 1, said


def test_every_platform_has_its_connector_mapping_and_test() -> None:
    missing = [
        path
        for platform in sorted(platforms())
        for path in (f"connectors/{platform}.py", f"mappings/{platform}.py")
        if not (ROOT / path).is_file()
    ]
    untested = [
        platform
        for platform in sorted(platforms())
        if not any(
            (ROOT / "tests" / package / f"test_{platform}.py").is_file() for package in ("connectors", "mappings")
        )
    ]
    assert (missing, untested) == ([], [])


def test_every_record_is_named_like_its_module() -> None:
    records = {
        name: record.platform
        for name in sorted(modules("connectors"))
        for attribute in ("CHANNEL", "SUPPLIER")
        if (record := getattr(importlib.import_module(f"connectors.{name}"), attribute, None)) is not None
    }
    assert records == {name: name for name in platforms()}


def test_every_connector_and_mapping_module_belongs_to_a_platform() -> None:
    reached = reached_from({"connectors.registry", *(f"connectors.{platform}" for platform in platforms())})
    unused = {f"{package}.{name}" for package in ("connectors", "mappings") for name in modules(package)} - reached
    assert unused == set()


def test_every_channel_platform_has_one_conformance_suite() -> None:
    """Of a class with an abstract method left pytest collects nothing, and says nothing."""
    conformance = importlib.import_module("tests.connectors.conformance")
    base = getattr(conformance, "ChannelConformance", None)
    assert inspect.isclass(base), "tests/connectors/conformance.py has no class ChannelConformance"
    suites = {
        f"{suite.__module__}.{suite.__qualname__}"
        for path in sorted((ROOT / "tests" / "connectors").glob("test_*.py"))
        for suite in vars(importlib.import_module(f"tests.connectors.{path.stem}")).values()
        if inspect.isclass(suite) and issubclass(suite, base) and suite.__name__.startswith("Test")
        if not inspect.isabstract(suite) and "__init__" not in vars(suite) and vars(suite).get("__test__", True)
    }
    assert len(suites) == len(registry.channels()), sorted(suites)


def test_no_file_holds_a_path_of_a_machine() -> None:
    assert matches(PATHS_OF_A_MACHINE) == []


def test_no_file_is_marked_unfinished() -> None:
    assert matches(UNFINISHED) == []


def test_the_lock_names_no_address_and_every_dependency() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert [line for line in lock.splitlines() if "://" in line or line.startswith("-") or " @ " in line] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==", lock, flags=re.MULTILINE))
    assert {name for entry in declared for name in re.findall(r"^[a-z0-9-]+", entry)} - locked == set()


def test_markers_name_requirements_that_exist() -> None:
    marked = {
        f"{relative(path)}: {number}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for arguments in re.findall(r"mark\.requirement\(([^)]*)\)", path.read_text(encoding="utf-8"))
        for number in re.findall(r"[\"']([^\"']*)[\"']", arguments)
        if number not in rows()
    }
    assert marked == set()
