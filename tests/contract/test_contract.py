"""The contract: what a client showed + the frames it gets = what a newcomer is shown. For every command, on every
surface, in two languages; on the process that committed, on another that heard of it, and where nobody told.

After Zulip's `verify_action`. Each case opens ten screens, does one thing, and compares each of them with a GET and a
fresh hello. The houses have no repair lane unless a test says so: a lane that heals everything within a second would
hide that the fast ones do not work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from core import devices
from core.clock import rfc3339
from core.database import connect
from core.embedded import Endpoints
from core.metrics import REPAIRED
from core.programme.book import ProgrammeBook, publish
from core.programme.validation import default_document
from push import repair
from push.bus import tell_programme
from tests.bff.house import House, bearer, fresh, opened, until
from tests.conftest import SettableClock
from tests.contract.conftest import WITHOUT_REPAIR
from tests.contract.scenes import CASES, Case, scene
from tests.contract.screens import LOCALES, Screen, fetched, must_agree, opened_all, screens_of
from tests.databases import Database


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("across", [False, True], ids=["same process", "another process"])
async def test_what_was_shown_and_the_frames_are_what_a_newcomer_sees(
    first: House, second: House, across: bool, case: Case
) -> None:
    """Commits on the one, screens on the same or on the other, which can only have it from the bus."""
    shown_by = second if across else first
    s = await scene(first)
    async with opened_all(shown_by, await screens_of(first, s.who, s.sold, s.kiosk)) as screens:
        before = {screen: (screen.have, screen.applied) for screen in screens}
        told = len(screens[0].states)
        await case.act(s)
        await must_agree(first, shown_by, screens)
        for screen in screens:
            stamp, applied = before[screen]
            assert screen.have is not None
            assert stamp is not None
            assert screen.have > stamp, f"{screen} moved on"
            assert screen.applied > applied
            assert screen.applied == len(screen.states), f"{screen} was sent nothing it had to ignore"
        causes = [cause for frame in screens[0].states[told:] for cause in frame["causes"]]
        assert [cause["kind"] for cause in causes] == case.kinds
        assert sorted({cause["version"] for cause in causes}) == [cause["version"] for cause in causes]


@pytest.mark.parametrize("across", [False, True], ids=["same process", "another process"])
async def test_an_enrolled_member_is_shown_from_version_one(first: House, second: House, across: bool) -> None:
    who = await first.enrol()
    for surface in ("app", "web", "wallet"):
        for locale in LOCALES:
            screen = Screen(surface, locale, first.token(surface, who.member))
            async with screen.open(second if across else first):
                assert screen.have is not None
                assert screen.have[1] == 1
                await must_agree(first, second if across else first, [screen])


@pytest.mark.parametrize("across", [False, True], ids=["same process", "another process"])
async def test_a_kiosk_follows_its_sessions(first: House, second: House, across: bool) -> None:
    """Bind, touch, another member, unbind: its screens move with each, and see the commits of whom they show now only."""
    shown_by = second if across else first
    ada, bob = await first.enrol("Ada Lovelace"), await first.enrol("Bob Bell")
    for _ in range(6):
        await first.adjust(bob, 500)
    token = await first.kiosk()
    kiosk = [Screen("kiosk", locale, token) for locale in LOCALES]
    async with opened_all(shown_by, kiosk):
        assert [screen.view["member"] for screen in kiosk] == [None, None]

        async def greeted(name: str, session: int) -> None:
            await until(lambda: all(screen.session == session for screen in kiosk), f"session {session} is shown")
            await must_agree(first, shown_by, kiosk)
            assert name in kiosk[0].view["member"]["greeting"]

        await first.post("/kiosk/v1/session", {"code": ada.code}, bearer(token))
        await greeted("Ada", 1)
        await first.buy(ada)
        await must_agree(first, shown_by, kiosk)
        assert [cause["kind"] for cause in kiosk[0].last["causes"]] == ["purchase"]
        assert (kiosk[0].last["causes"][0]["where"], kiosk[0].last["causes"][0]["what"]) == ("", "")
        first.clock.forward(seconds=10)
        await first.post("/kiosk/v1/session/touch", None, bearer(token))
        await first.adjust(ada, 10)
        await must_agree(first, shown_by, kiosk)
        await first.post("/kiosk/v1/session", {"code": bob.code}, bearer(token))
        await greeted("Bob", 2)
        assert kiosk[0].last["causes"] == []
        seen = len(kiosk[0].frames)
        await first.buy(ada)
        await first.adjust(bob, 1)
        await must_agree(first, shown_by, kiosk)
        assert len(kiosk[0].frames) == seen + 1
        await first.http.delete("/kiosk/v1/session", headers=bearer(token))
        await until(lambda: all(screen.session == 3 for screen in kiosk), "the screen is cleared")
        await must_agree(first, shown_by, kiosk)
        assert kiosk[0].view["member"] is None


def _knows(book: ProgrammeBook, revision: int) -> Callable[[], bool]:
    return lambda: book.revision == revision


async def test_a_programme_is_drawn_everywhere_when_it_is_published(
    endpoints: Endpoints, database: Database, clock: SettableClock
) -> None:
    """New names and prices at the same version: the stamp grows by its programme, no member is written."""
    async with (
        opened(database, endpoints, clock, roles=WITHOUT_REPAIR) as one,
        opened(database, endpoints, clock, roles=WITHOUT_REPAIR, public_url=one.url) as two,
    ):
        s = await scene(one)
        for shown_by in (one, two):
            async with opened_all(shown_by, await screens_of(one, s.who, s.sold, s.kiosk)) as screens:
                idle = Screen("kiosk", "en", await one.kiosk())
                async with idle.open(shown_by):
                    before = await one.ledger()
                    mark = fresh("Listener")
                    document = (
                        default_document()
                        .replace('"Listener"', f'"{mark}"')
                        .replace('"Harbour Records"', f'"Records {mark}"')
                    )
                    pool = connect(database.owner_url, pool_size=1)
                    async with pool.begin() as connection:
                        revision = await publish(connection, document, by="test", now=clock())
                    await pool.dispose()
                    await tell_programme(endpoints.nats_url, endpoints.nats_token)
                    for book in (one.services.book, two.services.book):
                        await until(_knows(book, revision), "it is heard of")
                    await must_agree(one, shown_by, [*screens, idle])
                    assert {screen.have[2] for screen in (*screens, idle) if screen.have} == {revision}
                    assert screens[0].view["tier"]["name"] == mark
                    assert screens[0].last["causes"] == []
                    assert await one.ledger() == before


async def test_what_the_bus_lost_the_repair_lane_heals(
    endpoints: Endpoints, database: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process hears nothing at all: its bus connection is closed. Every command still reaches its screens, and
    the lane says that it was it."""
    monkeypatch.setattr(repair, "EVERY_SECONDS", 0.02)
    async with (
        opened(database, endpoints, clock, roles=WITHOUT_REPAIR) as one,
        opened(database, endpoints, clock, public_url=one.url) as two,
    ):
        await two.services.bus.client.close()
        s = await scene(one)
        healed = REPAIRED._value.get()
        async with opened_all(two, await screens_of(one, s.who, s.sold, s.kiosk)) as screens:
            for case in CASES:
                if case.name in (
                    "void",
                    "capture",
                    "hold at the kiosk",
                    "return whole",
                    "give to charity at the kiosk",
                ):
                    # The scene's hold, session and purchase are used up; each has its turn in a scene of its own.
                    continue
                before = screens[0].have
                await case.act(s)
                await must_agree(one, two, screens)
                assert screens[0].have != before, case.name
            pool = connect(database.owner_url, pool_size=1)
            async with pool.begin() as connection:
                document = default_document().replace('"Harbour Records"', '"Harbour Sounds"')
                await publish(connection, document, by="test", now=clock())
            await pool.dispose()
            await tell_programme(endpoints.nats_url, endpoints.nats_token)
            await until(lambda: one.services.book.revision == 2, "the first hears of it")
            await until(lambda: screens[0].view["brand"] == "Harbour Sounds", "the programme is seen")
            await must_agree(one, two, screens)
        assert REPAIRED._value.get() - healed >= len(CASES) - 5


@pytest.mark.parametrize(
    "name", ["void", "capture", "return whole", "hold at the kiosk", "give to charity at the kiosk"]
)
async def test_what_ends_something_is_healed_too(
    endpoints: Endpoints, database: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(repair, "EVERY_SECONDS", 0.02)
    async with (
        opened(database, endpoints, clock, roles=WITHOUT_REPAIR) as one,
        opened(database, endpoints, clock, public_url=one.url) as two,
    ):
        await two.services.bus.client.close()
        s = await scene(one)
        async with opened_all(two, await screens_of(one, s.who, s.sold, s.kiosk)) as screens:
            before = screens[0].have
            await next(case for case in CASES if case.name == name).act(s)
            await must_agree(one, two, screens)
            assert screens[0].have != before
            await one.http.delete("/kiosk/v1/session", headers=bearer(s.kiosk))
            await until(lambda: screens[6].view["member"] is None, "the kiosk is cleared without a word from the bus")
            await must_agree(one, two, screens)
            device = (await devices.all_devices(one.services.database))[0].id
            await devices.revoke(one.services.database, device, clock())
            await until(lambda: screens[6].closed is not None, "the revoked kiosk is sent away")
            assert screens[6].closed == (4403, "device_revoked")
            assert screens[6].last["code"] == "device_revoked"
            assert screens[0].closed is None


async def test_a_client_that_comes_back_is_told_what_it_missed(first: House) -> None:
    """Equal: `current`, no view. Older: one state, with the causes since. Much older: the newest ten. A lower epoch: a
    state without causes. A newer stamp than ours: `current`, nothing to draw."""
    who = await first.enrol()
    screen = Screen("app", "en", first.token("app", who.member))
    async with screen.open(first):
        assert screen.last["type"] == "state"
    async with screen.open(first):
        assert (screen.last["type"], screen.last["version"], "view" in screen.last) == ("current", 1, False)
    await first.buy(who, total=100)
    balance = (await first.adjust(who, 5))["balance"]
    async with screen.open(first):
        assert [(cause["kind"], cause["version"]) for cause in screen.last["causes"]] == [
            ("purchase", 2),
            ("adjust", 3),
        ]
        assert screen.last["causes"][-1]["text"] == f"5 points added. Balance {balance} points."
        await first.buy(who, total=100)
        await until(lambda: screen.last["version"] == 4, "the next commit")
        assert [cause["version"] for cause in screen.last["causes"]] == [4]
        assert screen.last["committed_at"] == rfc3339(first.clock())
    for _ in range(12):
        await first.adjust(who, 1)
    async with screen.open(first):
        assert [cause["version"] for cause in screen.last["causes"]] == list(range(7, 17))
    assert screen.have is not None
    epoch, version, programme, valid_from = screen.have
    for changed, kind in (
        ((epoch - 1, version + 9, programme, valid_from), "state"),
        ((epoch, version, programme - 1, valid_from), "state"),
        ((epoch, version, programme, valid_from - timedelta(microseconds=1)), "state"),
        ((epoch, version - 1, programme + 1, valid_from), "state"),
        ((epoch, version, programme, valid_from), "current"),
        ((epoch + 1, 1, programme, valid_from), "current"),
        ((epoch, version + 1, programme, valid_from), "current"),
    ):
        screen.have = changed
        async with screen.open(first):
            assert screen.last["type"] == kind, changed
            assert screen.last["version"] == version
            if changed[0] < epoch:
                assert screen.last["causes"] == []


async def test_a_client_that_read_nothing_for_a_while_shows_the_newest(first: House, second: House) -> None:
    """Two hundred commits while the client does not read: what it shows at last is the last."""
    who = await first.enrol()
    token = first.token("web", who.member)
    sleepy = Screen("web", "en", token)
    async with sleepy.open(second):
        assert sleepy.connection is not None
        sleepy.connection.transport.pause_reading()
        for _ in range(200):
            await first.adjust(who, 1)
        sleepy.connection.transport.resume_reading()
        await until(lambda: sleepy.have is not None and sleepy.have[1] == 201, "the newest is shown")
        assert sleepy.view == (await fetched(first, sleepy))["view"]
        assert sleepy.view["balance"]["points"] == 200
        assert sleepy.applied == len(sleepy.states)
