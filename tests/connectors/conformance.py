"""What every sales platform's connector must pass, and the rig that holds one up.

A platform's suite derives from `ChannelConformance` and says how its account is made. A law reads nothing of the
platform but its record: what it declares is what is held against its emulator.
"""

from tests.connectors.laws_of_catalogue import CatalogueLaws
from tests.connectors.laws_of_documents import DocumentLaws
from tests.connectors.laws_of_failures import FailureLaws
from tests.connectors.laws_of_levels import LevelLaws
from tests.connectors.laws_of_orders import OrderLaws
from tests.connectors.laws_of_pushes import PushLaws
from tests.connectors.laws_of_webhooks import WebhookLaws
from tests.connectors.rig import START, Rig

__all__ = ["START", "ChannelConformance", "Rig"]


class ChannelConformance(CatalogueLaws, OrderLaws, LevelLaws, PushLaws, WebhookLaws, DocumentLaws, FailureLaws):
    """All laws."""
