"""What can happen to a member, one deed a case, and the scene it happens in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

from core.clock import rfc3339
from core.sweep import sweep
from tests.bff.house import House, Shopper, bearer, fresh


class Scene(NamedTuple):
    """A member with 5,356 points, a purchase and its receipt, two holds, and a kiosk that shows it."""

    house: House
    who: Shopper
    sold: dict[str, Any]
    hold: str
    kiosk: str


async def scene(house: House) -> Scene:
    who = await house.enrol("陳大文")
    await house.adjust(who, 10_000)
    sold = await house.buy(who)
    hold = (await house.hold(who))["hold_id"]
    await house.hold(who)
    return Scene(house, who, sold, hold, await house.kiosk(who))


Act = Callable[[Scene], Awaitable[object]]


class Case(NamedTuple):
    """`kinds` are the causes that the app is told; `silent` where there is nothing to tell of."""

    name: str
    act: Act
    kinds: list[str]


async def return_whole(s: Scene) -> None:
    await s.house.post(f"/pos/v1/purchases/{s.sold['purchase_id']}/returns", {"id": fresh("R")}, s.house.till)


async def return_line(s: Scene) -> None:
    lines = [{"sku": "CD", "quantity": 1, "amount": 1_000}]
    path = f"/pos/v1/purchases/{s.sold['purchase_id']}/returns"
    await s.house.post(path, {"id": fresh("R"), "lines": lines}, s.house.till)


async def return_another(s: Scene) -> None:
    other = await s.house.buy(s.who, total=9_900)
    await s.house.post(f"/pos/v1/purchases/{other['purchase_id']}/returns", {"id": fresh("R")}, s.house.till)


async def link(s: Scene) -> None:
    body = {"identifier": {"kind": "card", "value": fresh("CARD").replace("-", "")}}
    await s.house.post(f"/pos/v1/members/{s.who.member}/identifiers", body, s.house.till)


async def capture(s: Scene) -> None:
    await s.house.post(f"/pos/v1/members/{s.who.member}/holds/{s.hold}/capture", None, s.house.till)


async def void(s: Scene) -> None:
    await s.house.post(f"/pos/v1/members/{s.who.member}/holds/{s.hold}/void", {}, s.house.till)


async def kiosk_hold(s: Scene) -> None:
    await s.house.post("/kiosk/v1/holds", {"reward": "off5"}, bearer(s.kiosk))


async def time_out(s: Scene) -> None:
    s.house.clock.forward(minutes=15)
    await s.house.post("/kiosk/v1/session", {"code": s.who.code}, bearer(s.kiosk))
    assert await sweep(s.house.services.database, s.house.services.engine, s.house.clock)


async def late_sale(s: Scene) -> None:
    yesterday = rfc3339(s.house.clock() - timedelta(days=1))
    await s.house.buy(s.who, occurred_at=yesterday)


async def climb(s: Scene) -> None:
    """From the first tier to the last in one purchase."""
    await s.house.buy(s.who, total=400_000)


async def claim(s: Scene) -> str:
    """A voucher for 5,000 points; its code."""
    headers = bearer(s.house.token("app", s.who.member))
    return str((await s.house.post("/app/v1/claims", {"reward": "voucher10"}, headers))["code"])


async def give(s: Scene) -> None:
    await s.house.post("/kiosk/v1/claims", {"reward": "music-lessons"}, bearer(s.kiosk))


async def claim_and_use(s: Scene) -> None:
    await s.house.post(f"/pos/v1/vouchers/{await claim(s)}/use", {}, s.house.till)


async def claim_and_cancel(s: Scene) -> None:
    headers = bearer(s.house.token("web", s.who.member))
    claimed = await s.house.post("/web/v1/claims", {"reward": "voucher10"}, headers)
    await s.house.post(f"/web/v1/vouchers/{claimed['voucher']}/cancel", None, headers)


async def many(s: Scene) -> None:
    for cents in range(100, 600, 100):
        await s.house.buy(s.who, total=cents)


async def expire(s: Scene) -> None:
    s.house.clock.forward(days=740)
    await s.house.post("/kiosk/v1/session", {"code": s.who.code}, bearer(s.kiosk))
    assert await sweep(s.house.services.database, s.house.services.engine, s.house.clock)


CASES = [
    Case("purchase", lambda s: s.house.buy(s.who), ["purchase"]),
    Case("purchase of nothing", lambda s: s.house.buy(s.who, total=0), ["purchase"]),
    Case("late purchase", late_sale, ["purchase"]),
    Case("tier", climb, ["purchase"]),
    Case("five at once", many, ["purchase"] * 5),
    Case("pending purchase", lambda s: s.house.buy(s.who, channel="web"), ["purchase"]),
    Case("purchase paid with points", lambda s: s.house.buy(s.who, points=500), ["purchase"]),
    Case("claim", claim, ["claim"]),
    Case("give to charity at the kiosk", give, ["claim"]),
    Case("use a voucher", claim_and_use, ["claim", "use"]),
    Case("give a voucher back", claim_and_cancel, ["claim", "cancel"]),
    Case("link", link, []),
    Case("return whole", return_whole, ["return"]),
    Case("return a line", return_line, ["return"]),
    Case("return another purchase", return_another, ["purchase", "return"]),
    Case("hold", lambda s: s.house.hold(s.who), ["hold"]),
    Case("hold at the kiosk", kiosk_hold, ["hold"]),
    Case("capture", capture, ["capture"]),
    Case("void", void, ["void"]),
    Case("give", lambda s: s.house.adjust(s.who, 77), ["adjust"]),
    Case("take", lambda s: s.house.adjust(s.who, -77), ["adjust"]),
    Case("time-out", time_out, ["void"]),
    Case("expiry", expire, ["expire"]),
]
