"""The settings file: one TOML file that is found, read, and given its secrets.

Secrets come from the environment or from files, never from the file itself: a field that holds one is written
`{ env = "NAME" }` or `{ file = "PATH" }`. Paths are relative to the file.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from connectors.registry import channels as known_channels
from connectors.registry import suppliers as known_suppliers
from nervure.settings import ChannelSection, Settings, SettingsError, check
from schemas.faults import first_fault

M = TypeVar("M", bound=BaseModel)

_SECRET_NAME = re.compile(
    r"(^|[.\s])(\w*token|\w*secrets?|password|passphrase|key|api_key|private_key|headers\.[\w-]+)$", re.IGNORECASE
)

_URL_WITH_PASSWORD = re.compile(r"\w+(\+\w+)?://[^/@]*:[^/@]+@")

FILE_NAME = "nervure.toml"
VARIABLE = "NERVURE_SETTINGS"


def find() -> Path | None:
    """The settings file: the one NERVURE_SETTINGS names, else ./nervure.toml if it is there."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    here = Path(FILE_NAME)
    return here if here.exists() else None


def load(path: Path) -> Settings:
    """Reads and checks a settings file.

    Raises:
        SettingsError: it cannot be read, or something in it cannot be used.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {_cause(error)}") from error
    return load_text(text, folder=path.resolve().parent, name=path.name)


def load_text(text: str, *, folder: Path, name: str = FILE_NAME) -> Settings:
    """Reads and checks settings; relative paths start at `folder`.

    Raises:
        SettingsError: something cannot be used.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not TOML: {error}") from error
    _check_shape(document, name)
    try:
        sections = {
            key: value for key, value in document.items() if key not in ("hub", "locations", "channels", "suppliers")
        }
        settings = Settings.model_validate(
            sections
            | {
                "hub": _hub(document.get("hub", {}), folder),
                "locations": document.get("locations", []),
                "channels": [_channel(section, folder, name) for section in document.get("channels", [])],
                "suppliers": [_supplier(section, folder, name) for section in document.get("suppliers", [])],
            }
        )
    except ValidationError as error:
        raise SettingsError(f"{name}: {_sentence(error, document)}") from error
    check(settings, name)
    return settings


def _check_shape(document: Mapping[str, Any], name: str) -> None:
    """Sections must be sections before anybody looks inside: one bracket too few is the most common slip."""
    if not isinstance(document.get("hub", {}), Mapping):
        raise SettingsError(f"{name}: hub is written [hub]")
    for key in ("locations", "channels", "suppliers"):
        rows = document.get(key, [])
        if not (isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)):
            raise SettingsError(f"{name}: {key} are written [[{key}]], one for each")


def _hub(section: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    made = dict(section)
    if "api_token" in made:
        made["api_token"] = _secret(made["api_token"], folder, "hub.api_token")
    for key in ("items", "opening_stock"):
        if isinstance(made.get(key), str):
            made[key] = folder / made[key]
    if isinstance(made.get("database"), Mapping):
        made["database"] = _secret(made["database"], folder, "hub.database").get_secret_value()
    elif _URL_WITH_PASSWORD.match(str(made.get("database", ""))):
        raise SettingsError(
            'hub.database: a password is not written here: use database = { env = "NAME" } for the whole URL'
        )
    database = str(made.get("database", "sqlite:///nervure.db"))
    if database.startswith("sqlite:///") and not database.startswith("sqlite:////"):
        made["database"] = f"sqlite:///{folder / database.removeprefix('sqlite:///')}"
    return made


def _channel(section: Mapping[str, Any], folder: Path, name: str) -> dict[str, Any]:
    common = tuple(name for name in ChannelSection.model_fields if name != "account")
    platform = section.get("platform", "")
    record = known_channels().get(str(platform))
    if record is None:
        raise SettingsError(
            f"{name}: channel {section.get('name')!r} has platform {platform!r};"
            f" known are {', '.join(known_channels())}"
        )
    account = {key: value for key, value in section.items() if key not in common}
    kept = {key: section[key] for key in common if key in section}
    return kept | {"account": _own(record.settings, account, folder, f"{name}: channel {section.get('name')!r}")}


def _supplier(section: Mapping[str, Any], folder: Path, name: str) -> dict[str, Any]:
    platform = section.get("platform", "")
    record = known_suppliers().get(str(platform))
    if record is None:
        raise SettingsError(
            f"{name}: supplier {section.get('name')!r} has platform {platform!r};"
            f" known are {', '.join(known_suppliers())}"
        )
    exchange = {key: value for key, value in section.items() if key not in ("platform", "location")}
    kept = {key: section[key] for key in ("platform", "location") if key in section}
    return kept | {"exchange": _own(record.settings, exchange, folder, f"{name}: supplier {section.get('name')!r}")}


def _own(model: type[M], values: Mapping[str, Any], folder: Path, where: str) -> M:
    try:
        return model.model_validate({key: _resolve(value, folder, f"{where}, {key}") for key, value in values.items()})
    except ValidationError as error:
        raise SettingsError(f"{where}: {_sentence(error, {})}") from error


def _resolve(value: Any, folder: Path, where: str) -> Any:  # TOML values
    """Puts secrets in from where they are kept, at any depth; a secret written into the file is refused."""
    if isinstance(value, Mapping):
        if set(value) in ({"env"}, {"file"}):
            return _secret(value, folder, where)
        return {key: _resolve(inner, folder, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, folder, where) for inner in value]
    if isinstance(value, str) and _SECRET_NAME.search(where):
        raise SettingsError(f'{where}: a secret is not written here: use {{ env = "NAME" }} or {{ file = "PATH" }}')
    return value


def _secret(value: Any, folder: Path, where: str) -> SecretStr:  # TOML values
    match value:
        case {"env": str(name)}:
            found = os.environ.get(name)
            if not found:
                raise SettingsError(f"{where}: environment variable {name} is not set")
            return SecretStr(found)
        case {"file": str(path)}:
            try:
                return SecretStr((folder / path).read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{where}: the secret's file {path} cannot be read: {_cause(error)}") from error
    raise SettingsError(f'{where}: a secret is written {{ env = "NAME" }} or {{ file = "PATH" }}')


def _cause(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "no reason given") if isinstance(error, OSError) else "it is not UTF-8 text"


def _sentence(error: ValidationError, document: Mapping[str, Any]) -> str:
    """The first fault in one sentence. `document`: where the names stand of what is there several times."""
    place, words = first_fault(error)
    if place[-1:] == ("decimal",):  # one of two forms that are taken
        place = place[:-1]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    match place:
        case (("locations" | "channels" | "suppliers") as kind, int(number), *rest):
            section = document[kind][number]
            whose = f"{kind[:-1]} {section.get('code', section.get('name', number + 1))!r}: "
        case _:
            whose, rest = "", list(place)
    return whose + (".".join(map(str, rest)) + words).removeprefix(": ") + more
