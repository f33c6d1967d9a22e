"""What the settings say about routing."""

from sqlmodel import Field, SQLModel


class RoutingSettingRow(SQLModel, table=True):
    """One row, `routing`: costs, zones, and each location's rules, as JSON; every process reads them from here."""

    __tablename__ = "routing_setting"

    name: str = Field(primary_key=True)
    body: str
