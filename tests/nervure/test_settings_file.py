"""The settings file: it is found and read, and its secrets come from where they are kept."""

from pathlib import Path
from typing import Any

import pytest

from nervure.settings import SettingsError
from nervure.settings_file import VARIABLE, find, load
from tests.nervure.settings_texts import PLACE, SECRET, SHOP, SUPPLIER, fault, keep_secrets, read


@pytest.fixture(autouse=True)
def kept_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep_secrets(tmp_path, monkeypatch)


def test_what_is_shown_of_settings_holds_no_secret(tmp_path: Path) -> None:
    settings = read(tmp_path, PLACE + SHOP + SUPPLIER)
    assert SECRET not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("database", "kept"),
    [
        ("sqlite:////data/hub.db", "sqlite:////data/hub.db"),
        ("sqlite:///hub.db", "sqlite:///{folder}/hub.db"),
        ("postgresql://nervure@db/hub", "postgresql://nervure@db/hub"),
    ],
)
def test_a_database_lies_beside_the_file_unless_it_says_where(tmp_path: Path, database: str, kept: str) -> None:
    settings = read(tmp_path, f'[hub]\ndatabase = "{database}"\n{PLACE}')
    assert settings.hub.database == kept.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (f'"{SECRET}"', "a secret is not written here: use "),
        ('{ env = "NO_SUCH" }', "environment variable NO_SUCH is not set"),
        ('{ file = "gone" }', "the secret's file gone cannot be read: No such file or directory"),
        ('{ file = "." }', "the secret's file . cannot be read: Is a directory"),
    ],
)
def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path, written: str, sentence: str) -> None:
    text = SHOP.replace('{ env = "SHOP_TOKEN" }\n', f"{written}\n", 1)
    assert fault(tmp_path, PLACE + text).startswith(f"nervure.toml: channel 'webshop', access_token: {sentence}")


@pytest.mark.parametrize("written", [f'"{SECRET}"', "3", '{ vault = "x" }'])
def test_the_hubs_own_token_is_never_written_in_the_file(tmp_path: Path, written: str) -> None:
    sentence = fault(tmp_path, f"{PLACE}[hub]\napi_token = {written}\n")
    assert "hub.api_token: a secret is written { env" in sentence


def test_a_secret_in_a_list_is_refused_too(tmp_path: Path) -> None:
    text = SHOP.replace('{ file = "old-secret" }', f'"{SECRET}"')
    assert "webhook_secrets: a secret is not written here" in fault(tmp_path, PLACE + text)


def test_a_secret_deep_inside_is_resolved_or_refused(tmp_path: Path) -> None:
    assert "headers.Authorization: a secret is not written here" in fault(
        tmp_path, PLACE + SUPPLIER.replace('{ env = "SHOP_TOKEN" }', f'"Bearer {SECRET}"')
    )


def test_a_secrets_value_is_not_shown_when_another_key_is_wrong(tmp_path: Path) -> None:
    text = SHOP.replace('url = "https://shop.example"', "url = 3")
    assert fault(tmp_path, PLACE + text).startswith("nervure.toml: channel 'webshop': url must be a text in quotes")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml cannot be read: "):
        load(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(SettingsError, match=r"latin\.toml cannot be read: "):
        load(tmp_path / "latin.toml")


def test_the_file_is_found_by_the_environment_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find() is None
    (tmp_path / "nervure.toml").write_text(PLACE, "utf-8")
    assert find() == Path("nervure.toml")
    monkeypatch.setenv(VARIABLE, "/elsewhere/hub.toml")
    assert find() == Path("/elsewhere/hub.toml")


def test_every_account_reads_its_own_keys_only(tmp_path: Path) -> None:
    loaded: Any = read(tmp_path, PLACE + SHOP + "buffer_units = 2\ncreates_items = true\norder_poll_seconds = 5\n")
    [channel] = loaded.channels
    assert (channel.buffer_units, channel.creates_items, channel.order_poll_seconds) == (2, True, 5.0)
    assert "buffer_units" not in type(channel.account).model_fields


def test_the_databases_url_is_a_secret_where_it_holds_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATABASE", f"postgresql://hub:{SECRET}@db.example/hub")
    settings = read(tmp_path, '[hub]\ndatabase = { env = "HUB_DATABASE" }' + PLACE)
    assert settings.hub.database == f"postgresql://hub:{SECRET}@db.example/hub"
    with pytest.raises(SettingsError, match="a password is not written here") as refused:
        read(tmp_path, f'[hub]\ndatabase = "postgresql://hub:{SECRET}@db.example/hub"' + PLACE)
    assert SECRET not in str(refused.value)
    for plain in ("postgresql://hub@db.example/hub", "postgresql://db.example:5432/hub"):
        assert read(tmp_path, f'[hub]\ndatabase = "{plain}"' + PLACE).hub.database == plain


def test_a_secret_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "old-secret").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(SettingsError, match="the secret's file old-secret cannot be read: it is not UTF-8 text"):
        read(tmp_path, PLACE + SHOP)
