"""Finds every platform by looking: a new one is a module with a record, and touches nothing here."""

import importlib
import pkgutil
from functools import cache
from typing import cast

import connectors
from connectors.records import Channel, ChannelSettings, Supplier, SupplierSettings


@cache
def channels() -> dict[str, Channel[ChannelSettings]]:
    """All sales platforms by name."""
    return {
        record.platform: cast("Channel[ChannelSettings]", record)
        for record in _records("CHANNEL")
        if isinstance(record, Channel)
    }


@cache
def suppliers() -> dict[str, Supplier[SupplierSettings]]:
    """All kinds of supplier exchange by name."""
    return {
        record.platform: cast("Supplier[SupplierSettings]", record)
        for record in _records("SUPPLIER")
        if isinstance(record, Supplier)
    }


def _records(name: str) -> list[object]:
    modules = sorted(module.name for module in pkgutil.iter_modules(connectors.__path__))
    found = (getattr(importlib.import_module(f"connectors.{module}"), name, None) for module in modules)
    return [record for record in found if record is not None]
