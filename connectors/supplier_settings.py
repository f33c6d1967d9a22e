"""What a merchant declares of a supplier that is known by its files. Every refusal says what to write instead."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.records import SupplierSettings
from connectors.supplier_sftp import SftpSettings
from connectors.transport import checked_address
from mappings.feed_shape import FeedShape
from mappings.feed_values import DecimalMark
from mappings.supplier_feed import FeedLimits
from mappings.supplier_orders import OrderTemplate, ReplyShape
from schemas.base import Currency, NonNegativeUnits


def _lower_case(words: Mapping[str, int]) -> Mapping[str, int]:
    return {word.strip().casefold(): units for word, units in words.items()}


class Place(BaseModel):
    """Where files are exchanged: an address path below `url`, or a folder on the SFTP server or of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["http", "sftp", "folder"]
    path: str

    @model_validator(mode="after")
    def _path_begins_at_the_root(self) -> Self:
        if self.source == "http" and not self.path.startswith("/"):
            raise ValueError(f"path {self.path!r} must start with a slash: it stands behind the supplier's url")
        if self.source == "folder" and not self.path.startswith("/"):
            raise ValueError(f"folder {self.path!r} must be written in full, from the root on")
        return self


class FeedSettings(FeedShape, Place):
    """Where the feed lies and how it is written.

    `pattern`: which files of the folder are feeds. `has_done_marker`: the supplier writes `<name>.done` when the
    feed is complete. `as_of_header`: the HTTP header that says of what time the figures are.
    """

    pattern: str = "*"
    has_done_marker: bool = False
    settle_seconds: float = Field(default=0.0, ge=0)
    as_of_header: str | None = None
    decimal: DecimalMark | None = None
    currency: Currency | None = None
    as_of_format: str | None = None
    units_words: Annotated[Mapping[str, NonNegativeUnits], AfterValidator(_lower_case)] = {}

    @model_validator(mode="after")
    def _amounts_have_a_currency(self) -> Self:
        if self.columns.unit_cost and not (self.columns.currency or self.currency):
            raise ValueError("costs are read from a column, so declare their `currency`, or the column that says it")
        return self

    def shape(self) -> FeedShape:
        """How the feed is written, without where it lies."""
        return FeedShape.model_validate({name: getattr(self, name) for name in FeedShape.model_fields})


class OrderSettings(OrderTemplate, Place):
    """Where orders go, and in which words. `taken_path`: the folder into which the supplier moves what it has read."""

    taken_path: str | None = None


class ReplySettings(ReplyShape, Place):
    """Where replies come from.

    Files move to `done_path` (default: `done` below `path`) once the hub has them. Over HTTP, `next_path` is the
    jmespath to the path of the next page, and `acknowledge_path` is posted for each reply, `{id}` being its
    `reply_id`.
    """

    pattern: str = "*"
    has_done_marker: bool = False
    done_path: str | None = None
    next_path: str | None = None
    acknowledge_path: str | None = None

    @model_validator(mode="after")
    def _can_be_acknowledged(self) -> Self:
        if self.acknowledge_path is not None and not (self.columns.reply_id and "{id}" in self.acknowledge_path):
            raise ValueError("acknowledging replies needs the column `reply_id`, and {id} in `acknowledge_path`")
        return self


class SupplierFeedSettings(SupplierSettings):
    """One supplier. `headers` go with every HTTP request (sign-in). `orders` and `replies` only where it takes them.

    `max_ahead_seconds`: how far the supplier's clock may run before ours; a feed from further ahead is held, since
    its units would be believed for too long.
    """

    url: str = ""
    headers: Mapping[str, SecretStr] = {}
    sftp: SftpSettings | None = None
    feed: FeedSettings
    limits: FeedLimits = FeedLimits()
    orders: OrderSettings | None = None
    replies: ReplySettings | None = None
    max_ahead_seconds: float = Field(default=900.0, ge=0)

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, url: str) -> str:
        return checked_address(url) if url else url

    @model_validator(mode="after")
    def _every_place_can_be_reached(self) -> Self:
        places: tuple[tuple[str, Place | None], ...] = (
            ("feed", self.feed),
            ("orders", self.orders),
            ("replies", self.replies),
        )
        for name, place in places:
            if place is not None and place.source == "http" and not self.url:
                raise ValueError(f"{name} is exchanged over HTTP: say at which `url` the supplier's server is")
            if place is not None and place.source == "sftp" and self.sftp is None:
                raise ValueError(
                    f"{name} is exchanged over SFTP: the section `sftp` with host, user and host_key is missing"
                )
        return self
