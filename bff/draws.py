"""Lucky draws, for anybody to check: the commitment, the tickets, and at the end the seed and the winners.

Nobody is named here: a member knows its own ticket's number, from its activity.
"""

from __future__ import annotations

from litestar import Controller, get
from litestar.params import FromPath, FromQuery

from bff.bodies import DrawAnswer, DrawTicket, DrawTickets
from bff.errors import refusals
from bff.services import Given, Services
from core import draws
from core.errors import InvalidInput, NotFound

PAGE = 1_000

_UNKNOWN = (404, "unknown_draw", "there is no such draw")


class DrawsController(Controller):
    path = "/web/v1/draws"
    tags = ("web",)

    @get("/{draw:str}", summary="A draw, and its outcome", responses=refusals(_UNKNOWN))
    async def draw(self, services: Given, draw: FromPath[str]) -> DrawAnswer:
        """How winners follow from seed and tickets is in `docs/integrate.md`. Needs no token."""
        found = await _known(services, draw)
        return DrawAnswer(
            id=found.id,
            commitment=found.commitment,
            committed_at=found.committed_at,
            tickets=found.tickets,
            seed=found.seed,
            concluded_at=found.concluded_at,
            won=list(found.won),
        )

    @get("/{draw:str}/tickets", summary="A draw's tickets", responses=refusals(_UNKNOWN))
    async def tickets(self, services: Given, draw: FromPath[str], after: FromQuery[int] = 0) -> DrawTickets:
        """By number, a thousand a page. Needs no token."""
        if not 0 <= after < 2**63:
            raise InvalidInput.at("/after", "is a ticket's number")
        await _known(services, draw)
        found = await draws.tickets_of(services.database, draw, after, PAGE)
        following = found[-1][0] if len(found) == PAGE else None
        return DrawTickets([DrawTicket(no, entropy) for no, entropy in found], following)


async def _known(services: Services, id: str) -> draws.Draw:
    if "\0" not in id:
        found = await draws.draw_of(services.database, id, services.book.current.programme)
        if found is not None:
            return found
    raise NotFound("there is no such draw", code="unknown_draw")
