"""Fields that every table is made of, and how constraints are named."""

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Table
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId, ExactDecimal, Json, Utc

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def own_id() -> Any:  # SQLModel's Field is typed as the field's own type
    return Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))


def ref(target: str, *, nullable: bool = False, index: bool = False, primary_key: bool = False) -> Any:  # as above
    return Field(
        default=None,
        sa_column=Column(
            BigId,
            ForeignKey(f"{target}.id"),
            nullable=nullable and not primary_key,
            index=index,
            primary_key=primary_key,
        ),
    )


def time(*, nullable: bool = False, index: bool = False) -> Any:  # as above
    return Field(default=None, sa_column=Column(Utc, nullable=nullable, index=index))


def digest() -> Any:  # as above
    return Field(sa_column=Column(BigInteger, nullable=False))


def amount() -> Any:  # as above
    return Field(sa_column=Column(ExactDecimal, nullable=False))


def json(*, nullable: bool = False) -> Any:  # as above
    return Field(default=None, sa_column=Column(Json, nullable=nullable))


def of(row: type[SQLModel]) -> Table:
    """The plain table behind a row class, for set-wise statements."""
    return SQLModel.metadata.tables[str(row.__tablename__)]
