"""Asserts of the suite's own modules say what they compared."""

import pytest

pytest.register_assert_rewrite(
    "tests.connectors.bench",
    "tests.connectors.laws_of_catalogue",
    "tests.connectors.laws_of_documents",
    "tests.connectors.laws_of_failures",
    "tests.connectors.laws_of_levels",
    "tests.connectors.laws_of_orders",
    "tests.connectors.laws_of_pushes",
    "tests.connectors.laws_of_webhooks",
)
