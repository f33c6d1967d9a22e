"""What is listed, where, and how much of it is shown."""

from collections import Counter

import pytest

from connectors.errors import RefusedError
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation
from tests.connectors.bench import GOODS, GTIN_OF_A, A, B, Laws, documents


class CatalogueLaws(Laws):
    def test_every_sku_is_a_listing_exactly_once_over_all_pages(self) -> None:
        bench = self.bench()
        pages = [page for page in bench.hub.pull_catalogue() if page.documents]
        assert len(pages) > 1
        found = bench.facts(documents(pages), ChannelListing)
        loaded = {sku for sku, _ in bench.shelf()}
        assert Counter(one.sku for one in found) == Counter(loaded)
        assert {entry.sku for entry in GOODS} <= loaded
        assert len({one.external_id for one in found}) == len(found)
        assert len({one.stock_id for one in found}) == len(found)
        assert {one.channel for one in found} == {bench.channel}
        assert {one.gtin for one in found if one.sku == A} == {GTIN_OF_A.zfill(14)}
        assert {one.gtin for one in found if one.sku == B} == {None}

    def test_listings_keep_their_ids_and_their_events(self) -> None:
        bench = self.bench()
        first = documents(bench.hub.pull_catalogue())
        bench.stock((A, 7))
        bench.clock.advance(3600)
        again = documents(bench.rig.connect().pull_catalogue())
        assert bench.facts(first, ChannelListing) == bench.facts(again, ChannelListing)
        assert [one.event_id for one in first] == [one.event_id for one in again]
        assert len({one.event_id for one in first}) == len(first)

    def test_places_are_the_stock_points(self) -> None:
        bench = self.bench()
        found = bench.facts(documents(bench.hub.pull_places()), ChannelPlace)
        assert sorted(one.stock_point for one in found) == sorted(bench.rig.stock_points)
        assert {(one.channel, one.is_active) for one in found} == {(bench.channel, True)}

    def test_observations_are_the_shelf_of_every_listing_and_stock_point(self) -> None:
        bench = self.bench()
        for number, (sku, point) in enumerate(sorted(bench.shelf())):
            bench.stock((sku, number), point=point)
        bench.clock.advance(60)
        self.paid_order(bench, ("LAW-VS", 2), ("LAW-VM", 1))
        bench.clock.advance(60)
        pages = list(bench.hub.pull_stock(bench.rig.stock_points))
        found = bench.facts(documents(pages), StockObservation)
        skus: dict[str, str] = {one.external_id: sku for sku, one in bench.listings().items()}
        shown = [((skus.get(one.listing_external_id, "no listing"), one.stock_point), one.units) for one in found]
        assert dict(shown) == bench.shelf()
        assert len(shown) == len(bench.shelf())
        assert {(one.channel, one.is_physical_count) for one in found} == {(bench.channel, False)}
        assert all(one.observed_at <= bench.clock.now() for one in found)

    def test_only_the_asked_stock_points_are_observed(self) -> None:
        bench = self.bench()
        for point in bench.rig.stock_points:
            found = bench.facts(documents(bench.hub.pull_stock([point])), StockObservation)
            assert {one.stock_point for one in found} == {point}
        assert documents(bench.hub.pull_stock([])) == []

    def test_a_number_has_the_time_of_the_clock_that_is_declared(self) -> None:
        bench = self.bench()
        bench.stock((A, 4))
        moved_at = bench.clock.now()
        bench.clock.advance(60)
        found = bench.facts(documents(bench.hub.pull_stock([bench.point])), StockObservation)
        listing = bench.listings()[A].external_id
        [observed_at] = [one.observed_at for one in found if one.listing_external_id == listing]
        assert observed_at == (moved_at if bench.capabilities.dates_levels else bench.clock.now())

    def test_a_number_that_moved_is_a_new_event(self) -> None:
        bench = self.bench()
        bench.stock((A, 4))
        first = {one.event_id for one in documents(bench.hub.pull_stock([bench.point]))}
        bench.clock.advance(60)
        bench.stock((A, 5))
        again = documents(bench.hub.pull_stock([bench.point]))
        fresh = [one for one in again if one.event_id not in first]
        moved = [one for one in bench.facts(fresh, StockObservation) if one.units == 5]
        assert [bench.sku_of(one.listing_external_id) for one in moved] == [A]

    def test_check_says_one_line(self) -> None:
        bench = self.bench()
        said = bench.hub.check()
        assert said
        assert "\n" not in said
        assert not any(secret in said for secret in bench.secrets)

    def test_what_the_platform_has_not_is_refused(self) -> None:
        bench = self.bench()
        if not bench.capabilities.must_accept_orders:
            with pytest.raises(RefusedError):
                bench.hub.accept_order("1", {"1": True})
        if not bench.capabilities.has_webhooks:
            assert bench.hub.ensure_webhooks("https://hub.example") == []
            assert bench.rig.record.receive is None
