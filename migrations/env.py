"""Alembic's entry: the hub hands in its own connection and tables."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import JSON
from sqlmodel.sql.sqltypes import AutoString

from nervure.store.columns import ExactDecimal, Utc

connection = context.config.attributes["connection"]


def render(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Writes our own column types by name, so that a migration reads like the tables."""
    if kind != "type":
        return False
    for ours, text in ((Utc, "Utc()"), (ExactDecimal, "ExactDecimal()"), (JSON, "Json")):
        if isinstance(item, ours):
            autogen.imports.add(f"from nervure.store.columns import {text.removesuffix('()')}")
            return text
    return "sa.String()" if isinstance(item, AutoString) else False


context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
