"""The contract of tests/contract/test_contract.py for two members that become one while both are shown: every screen of
either, on every surface, shows what a newcomer is shown, whichever of the two lives on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.embedded import Endpoints
from push import repair
from tests.bff.house import House, Shopper, bearer, fresh, opened
from tests.conftest import SettableClock
from tests.contract.conftest import WITHOUT_REPAIR
from tests.contract.scenes import Scene, scene
from tests.contract.screens import Screen, must_agree, opened_all, screens_of
from tests.databases import Database


async def another(house: House, versions: int) -> Shopper:
    """A member with 100 points and so many versions."""
    who = await house.enrol("Ada Lovelace")
    await house.adjust(who, 102 - versions)
    for _ in range(versions - 2):
        await house.adjust(who, 1)
    return who


async def agreed(s: Scene, shown_by: House, other: Shopper, screens: Sequence[Screen], *, lives_on: Shopper) -> None:
    """A merge, then a purchase of the one, a return of the other's, and its hold given back: all screens at each."""
    house = s.house
    points = screens[0].view["balance"]["points"] + 100

    async def shown(points: int) -> None:
        await must_agree(house, shown_by, list(screens))
        assert [screen.view["balance"]["points"] for screen in screens if screen.surface != "kiosk"] == [points] * 9
        assert {s.view["member"]["balance"]["points"] for s in screens if s.surface == "kiosk"} == {points}

    body = {"other": str(other.member), "reason": "the same person"}
    merged = await house.post(f"/staff/v1/members/{s.who.member}/merge", body, house.staff())
    assert merged["member"] == str(lives_on.member)
    await shown(points)
    assert {screen.view["member"]["code"] for screen in screens if screen.surface in ("app", "web")} == {s.who.code}
    for screen in screens:
        assert [cause["kind"] for cause in screen.last["causes"]] == ["merge"], str(screen)
    await house.buy(other)
    await shown(points + 356)
    await house.post(f"/pos/v1/purchases/{s.sold['purchase_id']}/returns", {"id": fresh("R")}, house.till)
    await shown(points)
    assert all(screen.view["returned_note"] for screen in screens if screen.surface == "receipt")
    app = bearer(house.token("app", s.who.member))
    await house.post(f"/app/v1/holds/{s.hold}/void", None, app)
    await shown(points + 2_500)


@pytest.mark.parametrize("versions", [3, 8], ids=["the member of the address lives on", "the other lives on"])
@pytest.mark.parametrize("across", [False, True], ids=["same process", "another process"])
async def test_screens_of_both_are_screens_of_the_one(first: House, second: House, across: bool, versions: int) -> None:
    shown_by = second if across else first
    s = await scene(first)
    other = await another(first, versions)
    screens = await screens_of(first, s.who, s.sold, s.kiosk)
    screens.append(Screen("app", "en", first.token("app", other.member)))
    async with opened_all(shown_by, screens):
        await agreed(s, shown_by, other, screens, lives_on=other if versions > 5 else s.who)


@pytest.mark.parametrize("versions", [3, 8], ids=["the member of the address lives on", "the other lives on"])
async def test_who_hears_nothing_is_healed_by_the_repair_lane(
    endpoints: Endpoints, database: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch, versions: int
) -> None:
    monkeypatch.setattr(repair, "EVERY_SECONDS", 0.02)
    async with (
        opened(database, endpoints, clock, roles=WITHOUT_REPAIR) as one,
        opened(database, endpoints, clock, public_url=one.url) as two,
    ):
        await two.services.bus.client.close()
        s = await scene(one)
        other = await another(one, versions)
        screens = await screens_of(one, s.who, s.sold, s.kiosk)
        screens.append(Screen("app", "en", one.token("app", other.member)))
        async with opened_all(two, screens):
            await agreed(s, two, other, screens, lives_on=other if versions > 5 else s.who)
