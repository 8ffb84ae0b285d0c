"""When points stop and start being good: every point has its line, and what is near is said aloud."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from core.holdings import Holdings
from core.ledger.account import Account, Lot, Pending
from core.programme.document import Published
from core.programme.validation import default_document, parse
from core.snapshot import Snapshot
from surfaces import pos, wallet, web
from surfaces.expiry import EXACT
from surfaces.views import LOCALES
from tests.surfaces.samples import NOW, PUBLISHED, snapshot

MIDNIGHT = datetime(2027, 6, 30, 16, tzinfo=UTC)
"""The one that ends 30 June in the programme's zone."""


def day(days: int) -> datetime:
    return MIDNIGHT + timedelta(days=days)


def lots(*ends: datetime | None, points: int = 100) -> tuple[Lot, ...]:
    return tuple(Lot(no, 1, NOW, end, points, points) for no, end in enumerate(ends, 1))


def holding(account: Account, **others: Account) -> Snapshot:
    return msgspec.structs.replace(snapshot(), holdings=Holdings(account, others))


def texts(account: Account, locale: str = "en") -> list[str]:
    return [row.text for row in web.view(holding(account), PUBLISHED, NOW, locale).expiry_schedule]


SCHEDULES: list[tuple[str, tuple[datetime | None, ...], dict[str, Any], list[str]]] = [
    ("nothing", (), {}, []),
    ("a day, said by its last good one", (day(0),), {}, ["100 points until 30 Jun 2027"]),
    ("lots of one day together", (day(0), day(0), day(3)), {},
     ["200 points until 30 Jun 2027", "100 points until 3 Jul 2027"]),
    ("beyond the sixth by the month", tuple(day(n) for n in (0, 1, 2, 3, 4, 5, 6, 7, 40, 400)), {},
     ["100 points until 30 Jun 2027", *(f"100 points until {n} Jul 2027" for n in range(1, 6)),
      "200 points during Jul 2027", "100 points during Aug 2027", "100 points during Aug 2028"]),
    ("a month's last day is of that month", tuple(day(n) for n in (-9, -8, -7, -6, -5, -4, 0)), {},
     [*(f"100 points until {n} Jun 2027" for n in range(21, 27)), "100 points during Jun 2027"]),
    ("points without a date", (day(0), None), {}, ["100 points until 30 Jun 2027", "100 points that never expire"]),
    ("nothing ever lapses", (None,), {}, []),
    ("by activity", (None, None), {"lapses_at": day(0)},
     ["200 points until 30 Jun 2027, longer if you earn or use points before"]),
    ("by activity, some sooner", (day(-1), None), {"lapses_at": day(0)},
     ["100 points until 29 Jun 2027", "100 points until 30 Jun 2027, longer if you earn or use points before"]),
]  # fmt: skip


@pytest.mark.parametrize(("ends", "more", "told"), [row[1:] for row in SCHEDULES], ids=[row[0] for row in SCHEDULES])
def test_the_schedule(ends: tuple[datetime | None, ...], more: dict[str, Any], told: list[str]) -> None:
    account = Account(lots=lots(*ends), lots_made=len(ends), **more)
    assert texts(account) == told
    for locale in LOCALES:
        rows = web.view(holding(account), PUBLISHED, NOW, locale).expiry_schedule
        assert sum(row.points for row in rows) == (account.available if rows else 0)
        assert len({row.text for row in rows}) == len(rows)
        assert sum(row.at in ends for row in rows) >= min(EXACT, len(rows)) or account.lapses_at is not None


def test_the_schedule_in_chinese() -> None:
    account = Account(lots=lots(*(day(n) for n in (0, 1, 2, 3, 4, 5, 40))), lots_made=7)
    assert texts(account, "zh-Hant")[0::6] == ["100 點，有效至 2027年6月30日", "100 點，於 2027年8月內到期"]
    assert texts(account, "zh-Hans")[0::6] == ["100 分，有效至 2027年6月30日", "100 分，于 2027年8月内到期"]


WARNINGS = [
    ("far", 91, 2_500, None),
    ("ahead, with what it buys", 89, 2_500,
     ("ahead", "Points to use soon", "Use 2,500 points by 30 Jun 2027.", "Enough for: US$5 off any order")),
    ("ahead, with nothing to buy", 89, 100, ("ahead", "Points to use soon", "Use 100 points by 30 Jun 2027.", "")),
    ("soon", 13, 8_000,
     ("soon", "Points about to expire", "Use 8,000 points by 30 Jun 2027.", "Enough for: A CD up to US$18")),
]  # fmt: skip


@pytest.mark.parametrize(("days", "points", "told"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS])
def test_a_warning_comes_ahead_and_again(days: int, points: int, told: tuple[str, ...] | None) -> None:
    who = holding(Account(lots=lots(day(0), points=points), lots_made=1))
    now = MIDNIGHT - timedelta(days=days)
    found = web.view(who, PUBLISHED, now, "en").warning
    assert (found and (found.level, found.title, found.text, found.offer)) == told
    assert pos.view(who, PUBLISHED, now, "en").warning == found
    back = {field.key: field.value for field in wallet.view(who, PUBLISHED, now, "en").back}
    assert back["expiring"].startswith(told[2] if told else "2,500 points until 30 Jun 2027")


def test_points_that_activity_renews_say_so() -> None:
    who = holding(Account(lots=lots(None), lots_made=1, lapses_at=day(0)))
    found = web.view(who, PUBLISHED, MIDNIGHT - timedelta(days=5), "en").warning
    assert found is not None
    assert found.text == "Earn or use points by 30 Jun 2027 to keep all 100 points."


def test_pending_points_have_the_day_they_are_good() -> None:
    parts = [Pending(n, NOW, day(n), None, 50, 50) for n in range(8)]
    parts += [Pending(9, NOW, day(0), None, 10, 10), Pending(10, NOW, day(1), None, 7, 0)]
    view = web.view(holding(Account(pending=tuple(parts))), PUBLISHED, NOW, "en")
    assert (view.balance.points, view.balance.pending, view.balance.pending_text) == (0, 410, "410 points pending")
    assert [row.text for row in view.pending] == [
        "60 points good from 1 Jul 2027", *(f"50 points good from {n} Jul 2027" for n in range(2, 7)),
        "100 points to come in Jul 2027",
    ]  # fmt: skip
    assert view.hint == ""
    later = web.view(holding(Account(pending=tuple(parts))), PUBLISHED, day(0), "en")
    assert (later.balance.points, later.balance.pending) == (60, 350)


def test_other_currencies_have_a_balance_and_a_date_of_their_own() -> None:
    stars = Account(lots=lots(day(0), points=3), lots_made=1, pending=(Pending(1, NOW, day(1), None, 1, 1),))
    two = Account(lots=lots(day(0), day(9), points=3), lots_made=2)
    who = holding(Account(), stars=stars, gone=Account())
    [found] = web.view(who, PUBLISHED, NOW, "en").currencies
    assert (found.id, found.text, found.pending_text, found.expiring) == (
        "stars", "3 stars", "1 star pending", "Good until 30 Jun 2027",
    )  # fmt: skip
    [both] = web.view(holding(Account(), stars=two), PUBLISHED, NOW, "zh-Hant").currencies
    assert (both.text, both.expiring) == ("6 顆星", "3 顆星，有效至 2027年6月30日")


def test_a_programme_whose_points_never_lapse_warns_of_nothing() -> None:
    months = default_document().replace("months = 24", "months = 0")
    who = holding(Account(lots=lots(None), lots_made=1))
    view = web.view(who, Published(9, parse(months)), NOW, "en")
    assert (view.warning, view.expiry_schedule) == (None, ())
