"""Settings as a merchant writes them, section by section, and what is wrong with them."""

from pathlib import Path

import pytest

from nervure.settings import Settings, SettingsError
from nervure.settings_file import load_text

SECRET = "shpat_1234567890abcdef"

PLACE = """
[[locations]]
code = "WH"
name = "Warehouse"
kind = "warehouse"
"""
SHOP = """
[[channels]]
name = "webshop"
platform = "shopify"
url = "https://shop.example"
access_token = { env = "SHOP_TOKEN" }
webhook_secrets = [{ env = "SHOP_TOKEN" }, { file = "old-secret" }]
stock_points = { "gid://shopify/Location/1" = ["WH"] }
"""
SUPPLIER = """
[[locations]]
code = "SUP"
name = "Supplier"
kind = "supplier"

[[suppliers]]
name = "acme"
platform = "supplier_feed"
location = "SUP"
url = "https://acme.example"
ttl_seconds = 3600
headers = { Authorization = { env = "SHOP_TOKEN" } }

[suppliers.feed]
source = "http"
path = "/stock.csv"
format = "csv"
columns = { supplier_sku = "sku", units = "stock" }
"""
CONTRACTED = SUPPLIER.replace(
    "[[suppliers]]", '[locations.routing.contract]\nmin_order = 10\nchannels = ["webshop"]\n\n[[suppliers]]'
)


def keep_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the secrets that these texts name where they are looked for."""
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    monkeypatch.delenv("NO_SUCH", raising=False)
    (folder / "old-secret").write_text("kept in a file\n", "utf-8")


def read(folder: Path, text: str) -> Settings:
    return load_text(text, folder=folder)


def fault(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        read(folder, text)
    sentence = str(refused.value)
    assert SECRET not in sentence
    assert "\n" not in sentence
    return sentence
