"""A basket before it is paid: what it would earn and why, what could pay for it, what is missing to the next tier.

The same request on the till, the kiosk, the app and the web; there also from somebody who is not signed in. It changes
nothing, so it takes no key.
"""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, post
from litestar.params import JSONBody

from bff.auth import SESSION_COOKIE
from bff.bodies import (
    QuoteAnswer,
    QuoteBody,
    QuotedAward,
    QuotedPrice,
    QuotedReward,
    QuotedVoucher,
    TierName,
)
from bff.errors import refusals
from bff.kiosk import running
from bff.member import member_of
from bff.purchases import identifier, lines_of, voucher_code
from bff.services import Given, Services, locale_of, stamp_fields
from core import limits, read
from core.decision import Context, State
from core.earning.slip import RecordPurchase
from core.engine.commands import shared
from core.errors import InvalidInput, NotFound
from core.programme.document import Programme, Published, Tier, text_in
from core.quote import VISITOR, Quote, quote
from surfaces.etag import Stamp
from surfaces.reasons import by_reason, reason
from surfaces.standing import points_text
from surfaces.tiers import distance
from surfaces.views import Locale
from surfaces.wording import formats, words

_Request = Request[Any, Any, Any]

REFUSALS = refusals(
    (404, "unknown_member", "no member has this identifier"),
    (404, "unknown_voucher", "no such voucher"),
    (409, "voucher_not_good", "the voucher was used before"),
    (409, "insufficient_points", "1000 points are needed, 356 are there"),
    (409, "points_above_cap", "the points would pay 2000, and points may pay 1068 of this basket"),
    (409, "points_pay_nothing", "points pay for no part of a purchase in this programme"),
)


class PosQuotesController(Controller):
    path = "/pos/v1"
    tags = ("pos",)

    @post("/quotes", summary="What a basket would earn", status_code=200, responses=REFUSALS)
    async def quote(self, request: _Request, services: Given, data: JSONBody[QuoteBody]) -> QuoteAnswer:
        """Without a member: what a new one would earn."""
        principal = services.principal(request, "pos")
        member = None
        if data.member is not None:
            member = await read.member_of(services.database, identifier(data.member, "/member"))
            if member is None:
                raise NotFound("no member has this identifier", code="unknown_member")
        return await _quote(services, data, member, principal.store, locale_of(request))


class KioskQuotesController(Controller):
    path = "/kiosk/v1"
    tags = ("kiosk",)

    @post("/quotes", summary="What a basket would earn", status_code=200, responses=REFUSALS)
    async def quote(self, request: _Request, services: Given, data: JSONBody[QuoteBody]) -> QuoteAnswer:
        """For the member of the running session."""
        principal = services.principal(request, "kiosk")
        session = await running(services, principal)
        return await _quote(services, _own(data), session.member, principal.store, locale_of(request))


class AppQuotesController(Controller):
    path = "/app/v1"
    tags = ("app",)

    @post("/quotes", summary="What a basket would earn", status_code=200, responses=REFUSALS)
    async def quote(self, request: _Request, services: Given, data: JSONBody[QuoteBody]) -> QuoteAnswer:
        principal = member_of(request, services, "app")
        return await _quote(services, _own(data), principal.member, "", locale_of(request))


class WebQuotesController(Controller):
    path = "/web/v1"
    tags = ("web",)

    @post("/quotes", summary="What a basket would earn", status_code=200, responses=REFUSALS)
    async def quote(self, request: _Request, services: Given, data: JSONBody[QuoteBody]) -> QuoteAnswer:
        """For whoever is signed in; for anybody else what a new member would earn."""
        known = "authorization" in request.headers or SESSION_COOKIE in request.cookies
        member = member_of(request, services, "web").member if known else None
        return await _quote(services, _own(data), member, "", locale_of(request))


def _own(data: QuoteBody) -> QuoteBody:
    if data.member is not None:
        raise InvalidInput.at("/member", "is whoever is signed in")
    return data


async def _quote(services: Services, data: QuoteBody, member: int | None, store: str, locale: Locale) -> QuoteAnswer:
    now, published = services.clock(), services.book.current
    command = RecordPurchase(
        "quote",
        now,
        data.channel,
        data.currency,
        data.total,
        lines_of(data.lines),
        points=data.points,
        vouchers=tuple(voucher_code(code, f"/vouchers/{i}") for i, code in enumerate(data.vouchers)),
    )
    keys = {*shared(command, published.programme, store, None, now)}
    keys |= {limits.reward(reward.id) for reward in published.programme.rewards}
    draws = {limits.tickets(reward.id) for reward in published.programme.rewards if reward.kind == "draw"}
    state, tallies, closed = await read.quotable(services.database, member or 0, keys | draws, command.vouchers)
    if state is None:
        if member is not None:
            raise NotFound("no such member", code="unknown_member")
        state = VISITOR
    now = max(now, state.recorded_at or now)
    context = Context(
        now=now,
        published=published,
        source="quote",
        place=store,
        tallies=dict.fromkeys(keys, 0) | tallies,
        closed=closed,
    )
    return _answer(quote(state, command, context), services, state, published, context, data.channel, locale)


def _answer(
    quoted: Quote,
    services: Services,
    state: State,
    published: Published,
    context: Context,
    channel: str,
    locale: Locale,
) -> QuoteAnswer:
    programme, w = published.programme, words(locale)
    stamp = Stamp(
        services.engine.epoch,
        state.version if state.member else 0,
        published.revision,
        state.recorded_at or context.now,
    )
    return QuoteAnswer(
        earned=quoted.earned,
        earned_text=points_text(quoted.earned, programme, w),
        pending=quoted.vests_at is not None,
        vests_at=quoted.vests_at,
        awards=[
            QuotedAward(one.rule, one.id, one.points, one.currency, reason(one, programme, w, channel=channel))
            for one in by_reason(quoted.awards)
        ],
        due=quoted.due,
        due_text=_money(quoted.due, programme, locale),
        balance_after=quoted.balance_after,
        tier=_tier(quoted.tier, locale),
        reaches=_tier(quoted.reaches, locale) if quoted.reaches else None,
        to_next=quoted.to_next,
        to_next_after=quoted.to_next_after,
        to_next_text=_missing(quoted, programme, locale),
        most_points=quoted.most_points,
        most_amount=quoted.most_amount,
        most_text=w(
            "quote.most",
            points=points_text(quoted.most_points, programme, w),
            money=_money(quoted.most_amount, programme, locale),
        )
        if quoted.most_points
        else "",
        vouchers=[
            QuotedVoucher(code, _name(reward, programme, locale), off, _money(off, programme, locale))
            for code, reward, off in quoted.vouchers
        ],
        rewards=[QuotedReward(one.id, text_in(one.name, locale), one.points) for one in quoted.rewards],
        member_prices=[
            QuotedPrice(line, price, _money(price, programme, locale)) for line, price in quoted.member_prices
        ],
        **stamp_fields(stamp),
    )


def _money(minor: int, programme: Programme, locale: str) -> str:
    return formats.money(minor, programme.money, locale)


def _tier(tier: Tier, locale: str) -> TierName:
    return TierName(tier.key, text_in(tier.name, locale))


def _missing(quoted: Quote, programme: Programme, locale: Locale) -> str:
    """What is missing after it to the tier above, in words."""
    if quoted.next_after is None or quoted.to_next_after is None:
        return ""
    return distance(quoted.to_next_after, quoted.next_after, programme, words(locale))


def _name(id: str, programme: Programme, locale: str) -> str:
    reward = programme.rewards_by_id.get(id)
    return text_in(reward.name, locale) if reward else id
