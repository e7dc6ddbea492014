"""Requests of other programs: a webhook that opens tickets, and all tickets as CSV.

curl http://127.0.0.1:3212/http/tickets -d '{"sender": "scanner", "title": "Paper jam"}'
curl http://127.0.0.1:3212/http/tickets.csv -H "Authorization: Bearer $TOKEN"
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator

from relive import (
    ActionCtx,
    ApplicationError,
    HttpRouter,
    Page,
    PaginationOptions,
    QueryCtx,
    Request,
    Response,
    internal_query,
)

from .people import signed_in
from .schema import Ticket
from .tickets import received

# For pages of any origin, such as a form on the company's home page.
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type",
}
PAGE_TICKETS = 100

http = HttpRouter()


@http.route("/tickets", methods=["OPTIONS"])
@http.route("/tickets.csv", methods=["OPTIONS"])
async def allow(ctx: ActionCtx, request: Request) -> Response:
    return Response("", status=204, headers=CORS)


@http.route("/tickets", methods=["POST"])
async def webhook(ctx: ActionCtx, request: Request) -> Response:
    try:
        sent = await request.json()
        sender, title, body = sent["sender"], sent["title"], sent.get("body", "")
        if not all(isinstance(text, str) for text in (sender, title, body)):
            raise ValueError("not text")
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = "send an object with the texts `sender`, `title` and, if you like, `body`"
        return Response.json({"error": problem}, status=400, headers=CORS)
    try:
        ticket = await ctx.run_mutation(received, sender, title, body)
    except ApplicationError as error:
        match error.data:
            case {"kind": "RateLimited"}:
                status = 429
            case _:
                status = 400
        return Response.json({"error": error.data}, status=status, headers=CORS)
    return Response.json({"ticket": ticket}, status=201, headers=CORS)


@internal_query
async def page(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Ticket]:
    await signed_in(ctx)
    return await ctx.db.query(Ticket).paginate(paginationOpts)


@http.route("/tickets.csv", methods=["GET"])
async def export(ctx: ActionCtx, request: Request) -> Response:
    """Streamed page by page, so that it takes no more memory for a million tickets."""
    if await ctx.auth.get_user_identity() is None:
        return Response("sign in first\n", status=401, headers=CORS)

    async def rows() -> AsyncIterator[str]:
        yield line("title", "author", "state", "urgency", "topic")
        cursor, done = None, False
        while not done:
            options = PaginationOptions(num_items=PAGE_TICKETS, cursor=cursor)
            tickets = await ctx.run_query(page, options)
            for ticket in tickets.page:
                yield line(ticket.title, ticket.author, ticket.state, f"{ticket.urgency}", ticket.topic or "")
            cursor, done = tickets.continue_cursor, tickets.is_done

    return Response(rows(), content_type="text/csv; charset=utf-8", headers=CORS)


def line(*cells: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
