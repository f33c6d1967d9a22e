"""The pages for the office: what every channel shows, what somebody must look at, and each order with its reasons.

No script, no outside file.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.responses import HTMLResponse

from nervure.service.hub import TheHub
from nervure.service.templating import TEMPLATES
from nervure.store.inbox import InboxStore
from nervure.store.order_pages import OrderPageStore
from nervure.store.proposals import ProposalStore
from nervure.store.reports import ReportStore

SHORT_SECONDS = 120

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/")
def overview(hub: TheHub) -> str:
    """The hub at a glance; the page asks for itself again every few seconds."""
    now = hub.clock.now()
    with hub.database.read() as connection:
        reports = ReportStore(connection, now)
        return _page(
            "console.html",
            now,
            channels=reports.channels(),
            tasks=reports.tasks(limit=30),
            letters=InboxStore(connection, now).dead(limit=20),
            orders=OrderPageStore(connection).recent(),
        )


@router.get("/order")
def order(
    hub: TheHub,
    name: Annotated[str, Query(min_length=1)],
    channel: Annotated[str | None, Query()] = None,
) -> str:
    """One order: its lines, who does what of it, and each location with why it was kept, dropped or outranked.

    `name`: its number or the channel's id of it. Where several channels have one of that name, they are listed.
    """
    now = hub.clock.now()
    with hub.database.read() as connection:
        store = OrderPageStore(connection)
        found = store.named(name, channel)
        if not found:
            raise HTTPException(404, f"there is no order {name!r}" + (f" on {channel!r}" if channel else ""))
        page = store.page(found[0].channel, found[0].external_id) if len(found) == 1 else None
        said = ProposalStore(connection, now).seen(channel=found[0].channel, order=found[0].external_id) if page else []
    return _page("console_order.html", now, name=name, found=found, page=page, proposals=said)


def _page(template: str, now: datetime, **values: Any) -> str:  # what a template shows
    def ago(moment: datetime | None) -> str:
        if moment is None:
            return "never"
        seconds = max(int((now - moment).total_seconds()), 0)
        return f"{seconds} s ago" if seconds < SHORT_SECONDS else f"{seconds // 60} min ago"

    return TEMPLATES.get_template(template).render(now=now, ago=ago, **values)
