"""`verify` says of a sound ledger that it is sound, and of each kind of damage what and whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.adjustments.decide import AdjustPoints, SettleDue
from core.database import connect
from core.earning.returns import ReturnLine, ReturnPurchase
from core.embedded import Endpoints
from core.engine.engine import Engine
from core.members.decide import LinkIdentifier
from core.members.identifiers import Identifier
from core.programme.book import ProgrammeBook
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.verify import MAX_FINDINGS, Report, rows, verify_in
from core.verify.report import Kind
from tests.conftest import START, OpenEngine, SettableClock, copy_of
from tests.core.door import bought, enrol, publish_programme, send, verified
from tests.core.programmes import document
from tests.databases import Database, at_database


class Lived(NamedTuple):
    """A database in which three members did a bit of everything.

    busy: buys 50 (version 2) and 100 (3), spends 10 (4, 5), gives a hold back (6, 7), leaves one open (8), returns a
    part (9), has an identifier linked (10). owing: buys 20 (2), spends all by hand (3), returns it (4) and owes 20.
    lapsed: buys 40 (2), holds 10 (3), and lets both run out (4).
    """

    database: str
    busy: int
    owing: int
    lapsed: int


@pytest.fixture(scope="module")
async def lived(endpoints: Endpoints, template: str) -> AsyncIterator[Lived]:
    async with copy_of(endpoints, template) as database:
        clock = SettableClock()
        await publish_programme(database.owner_url, document(months=1))
        pool = connect(database.url, pool_size=2)
        engine = Engine(pool, ProgrammeBook(), lambda committed, seconds: None, lanes=1, clock=clock)
        await engine.open()
        lapsed = await enrol(engine)
        await send(engine, bought(clock(), 4000), lapsed)
        await send(engine, HoldReward("small"), lapsed)
        clock.forward(days=90)
        await send(engine, SettleDue(), lapsed)
        busy = await enrol(engine)
        await send(engine, bought(clock(), 5000), busy)
        await send(engine, bought(clock(), 10000), busy)
        await send(engine, HoldReward("small"), busy)
        await send(engine, CaptureHold(4), busy)
        await send(engine, HoldReward("small"), busy)
        await send(engine, VoidHold(6), busy)
        await send(engine, HoldReward("small"), busy)
        await send(engine, ReturnPurchase(3, (ReturnLine("CD", 1, 3333),)), busy)
        await send(engine, LinkIdentifier(Identifier("card", "CARD1")), busy)
        owing = await enrol(engine)
        await send(engine, bought(clock(), 2000), owing)
        await send(engine, AdjustPoints(-20, "spent at a fair"), owing)
        await send(engine, ReturnPurchase(2), owing)
        await engine.close()
        await pool.dispose()
        yield Lived(database.url.rpartition("/")[2], busy, owing, lapsed)


@pytest.fixture
async def damaged(endpoints: Endpoints, lived: Lived) -> AsyncIterator[AsyncConnection]:
    """The owner's connection to that database, with the journal's triggers off; whatever is done is undone."""
    pool = connect(at_database(endpoints.owner_url, lived.database), pool_size=1)
    async with pool.connect() as connection:
        for table in ("entry", "posting", "member_version"):
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        yield connection
    await pool.dispose()


async def test_a_sound_ledger_is_clean_and_counted(endpoints: Endpoints, lived: Lived) -> None:
    report = await verified(at_database(endpoints.database_url, lived.database))
    assert report.findings == []
    assert report.clean
    counted = (report.members, report.versions, report.purchases, report.lots, report.holds, report.claims)
    assert counted == (3, 4 + 10 + 4, 4, 4, 4, 18)
    assert (report.entries, report.postings) == (8 + 3 + 4, 8 * 2 + 3 * 2 + 4 * 2)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


async def test_an_empty_ledger_is_clean(database: Database) -> None:
    report = await verified(database.url)
    assert (report.clean, report.members) == (True, 0)


# One case a row: what is done to whom, and the kind and words by which verify must name it.
# {m} is the member's id; the journal's triggers are off while it is done.
DAMAGE: list[tuple[str, str, Kind, str]] = [
    ("busy", "UPDATE posting SET amount = amount + 1 WHERE member_id = {m} AND version = 2 AND account = 'issued'",
     "zero_sum", "entry 2/0 sums to 1 points"),
    ("busy", "UPDATE posting SET currency = 'stars' WHERE member_id = {m} AND version = 2",
     "balance", "the journal has stars, and there is no account of it"),
    ("busy", "DELETE FROM posting WHERE member_id = {m} AND version = 5", "entries", "entry 5/0 lacks postings"),
    ("busy", "DELETE FROM entry WHERE member_id = {m} AND version = 5",
     "entries", "version 5 has entries [], and says it has 1"),
    ("busy", "DELETE FROM entry WHERE member_id = {m} AND version = 5",
     "entries", "postings of entry 5/0, which does not exist"),
    ("busy", "UPDATE member_version SET entries = 2 WHERE member_id = {m} AND version = 5",
     "entries", "version 5 has entries [0], and says it has 2"),
    ("busy", "INSERT INTO entry SELECT member_id, 99, no, kind, occurred_at, recorded_at, programme, source, place, "
             "reverses FROM entry WHERE member_id = {m} AND version = 2",
     "entries", "entries of version 99, which does not exist"),
    ("busy", "UPDATE entry SET recorded_at = recorded_at + interval '1 s' WHERE member_id = {m} AND version = 5",
     "entries", "entry 5/0: recorded_at"),
    ("busy", "DELETE FROM member_version WHERE member_id = {m} AND version = 5",
     "versions", "version 5 is missing from the journal"),
    ("busy", "DELETE FROM member_version WHERE member_id = {m} AND version = 10",
     "versions", "the member's version is 10, the journal makes it 9"),
    ("busy", "UPDATE member SET version = 12 WHERE id = {m}",
     "versions", "the member's version is 12, the journal makes it 10"),
    ("busy", "UPDATE member_version SET recorded_at = recorded_at - interval '1 s' WHERE member_id = {m} "
             "AND version = 5", "versions", "version 5 was recorded before the one before it"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{available}}', '999') WHERE member_id = {m} "
             "AND version = 4", "change", "the balance at version 4 is 999, the journal makes it 140"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{points}}', '7') WHERE member_id = {m} "
             "AND version = 4", "change", "the points at version 4 is 7, the journal makes it -10"),
    ("lapsed", "UPDATE member_version SET change = jsonb_set(change, '{{expired}}', '7') WHERE member_id = {m} "
             "AND version = 4", "change", "expired at version 4 is 7, the journal makes it 40"),
    ("lapsed", "UPDATE member_version SET change = jsonb_set(change, '{{released}}', '7') WHERE member_id = {m} "
             "AND version = 4", "change", "released at version 4 is 7, the journal makes it 10"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{kind}}', '\"void\"') WHERE member_id = {m} "
             "AND version = 4", "change", "version 4 is"),
    ("busy", "UPDATE member_version SET change = '[]' WHERE member_id = {m} AND version = 4",
     "change", "version 4 cannot be read"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{programme}}', '77') WHERE member_id = {m} "
             "AND version = 4", "change", "version 4 was decided by programme 77, which is not there"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{qualifying}}', '7') WHERE member_id = {m} "
             "AND version = 4", "qualifying", "qualifying points at version 4 is 7, the journal makes it 150"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{tier}}', '\"gold\"') WHERE member_id = {m} "
             "AND version = 4", "tier", "the tier at version 4 is gold, the journal makes it silver"),
    ("busy", "UPDATE account SET available = available + 1 WHERE member_id = {m}",
     "balance", "the balance is 97, the journal makes it 96"),
    ("busy", "UPDATE account SET available = available + 1 WHERE member_id = {m}",
     "balance", "the balance is 97, lots less debt are 96"),
    ("busy", "DELETE FROM account WHERE member_id = {m}", "balance", "there is no account in points"),
    ("busy", "UPDATE account SET held = held + 1 WHERE member_id = {m}", "held", "held is 11, the journal makes it 10"),
    ("busy", "UPDATE account SET held = held + 1 WHERE member_id = {m}", "held", "held is 11, the open holds are 10"),
    ("busy", "UPDATE account SET lots_made = 9 WHERE member_id = {m}", "lot", "the number of lots made is 9"),
    ("busy", "UPDATE account SET qualifying = '{{\"2026\": 5}}' WHERE member_id = {m}",
     "qualifying", "qualifying points is {2026: 5}, the journal makes it {2026: 116}"),
    ("busy", "UPDATE account SET next_due = next_due + interval '1 s' WHERE member_id = {m}",
     "due", "next_due is 2026-06-12 09:41:54+00:00, something is due 2026-06-12 09:41:53+00:00"),
    ("busy", "UPDATE account SET next_due = NULL WHERE member_id = {m}",
     "due", "next_due is None, something is due 2026-06-12 09:41:53+00:00"),
    ("busy", "UPDATE hold SET expires_at = '2020-01-01Z' WHERE member_id = {m} AND no = 8",
     "due", "next_due is 2026-06-12 09:41:53+00:00, something is due 2020-01-01 00:00:00+00:00"),
    ("busy", "UPDATE lot SET expires_at = '2020-01-01Z' WHERE member_id = {m} AND no = 2",
     "due", "next_due is 2026-06-12 09:41:53+00:00, something is due 2020-01-01 00:00:00+00:00"),
    ("owing", "UPDATE account SET debt = 0 WHERE member_id = {m}", "debt", "the debt is 0, the journal makes it 20"),
    ("owing", "UPDATE posting SET amount = -amount WHERE member_id = {m} AND version = 4",
     "debt", "after entry 4/0 the debt is -20"),
    ("busy", "UPDATE lot SET remaining = remaining - 1 WHERE member_id = {m} AND no = 2",
     "lot", "lot 2: remaining is 65, the journal makes it 66"),
    ("busy", "UPDATE lot SET amount = 500 WHERE member_id = {m} AND no = 2",
     "lot", "lot 2: amount is 500, the journal makes it 100"),
    ("busy", "UPDATE lot SET origin = 9 WHERE member_id = {m} AND no = 2",
     "lot", "lot 2: origin is 9, the journal makes it 3"),
    ("busy", "DELETE FROM lot WHERE member_id = {m} AND no = 2", "lot", "lot 2 is in the journal only"),
    ("busy", "INSERT INTO lot SELECT member_id, currency, 3, origin, earned_at, expires_at, amount, remaining FROM lot "
             "WHERE member_id = {m} AND no = 2", "lot", "lot 3 is not in the journal"),
    ("busy", "UPDATE posting SET lot = 2 WHERE member_id = {m} AND version = 7 AND lot IS NOT NULL",
     "lot", "after entry 7/0 lot 2 of 100 points has 110"),
    ("busy", "UPDATE posting SET lot = 2 WHERE member_id = {m} AND version = 2 AND lot IS NOT NULL",
     "lot", "after entry 4/0 lot 1 of -10 points has -10"),
    ("busy", "UPDATE posting SET amount = 5 * amount WHERE member_id = {m} AND version = 5",
     "held", "after entry 5/0 -40 points are held"),
    ("busy", "UPDATE hold SET points = 11 WHERE member_id = {m} AND no = 8",
     "hold", "hold 8: points is 11, the journal makes it 10"),
    ("busy", "UPDATE hold SET takings = '[[2, 10]]' WHERE member_id = {m} AND no = 8", "hold", "hold 8: takings"),
    ("busy", "DELETE FROM hold WHERE member_id = {m} AND no = 4", "hold", "the hold of version 4 has no row"),
    ("busy", "DELETE FROM hold WHERE member_id = {m} AND no = 4", "hold", "version 5 ends hold 4, which has no row"),
    ("busy", "UPDATE hold SET state = 'voided' WHERE member_id = {m} AND no = 4",
     "hold", "hold 4: its end is ('void', 5), the journal makes it ('capture', 5)"),
    ("busy", "UPDATE hold SET resolved_version = 50 WHERE member_id = {m} AND no = 4",
     "hold", "hold 4: its end is ('capture', 50), the journal makes it ('capture', 5)"),
    ("busy", "UPDATE hold SET state = 'open', resolved_version = NULL WHERE member_id = {m} AND no = 4",
     "hold", "hold 4: its end is ('open', None), the journal makes it ('capture', 5)"),
    ("lapsed", "UPDATE hold SET state = 'open', resolved_version = NULL WHERE member_id = {m} AND no = 3",
     "hold", "hold 3: its end is ('open', None), the journal makes it ('time_out', 4)"),
    ("busy", "UPDATE entry SET reverses = 4 WHERE member_id = {m} AND version = 7", "hold", "hold 4 ends 2 times"),
    ("busy", "UPDATE posting SET amount = amount / 2 WHERE member_id = {m} AND version = 5",
     "hold", "hold 4: what its end released is 5, the journal makes it 10"),
    ("busy", "UPDATE purchase SET record = jsonb_set(record, '{{base}}', '7') WHERE member_id = {m} AND version = 2",
     "purchase", "purchase 2: base and bonus is (7, 0), the journal makes it (50, 0)"),
    ("busy", "UPDATE purchase SET record = jsonb_set(record, '{{taken_back}}', '7') WHERE member_id = {m} "
             "AND version = 3", "purchase", "purchase 3: taken back is 7, the journal makes it 34"),
    ("busy", "UPDATE purchase SET record = jsonb_set(record, '{{qualifying_taken_back}}', '7') WHERE member_id = {m} "
             "AND version = 3", "purchase", "purchase 3: qualifying taken back is 7, the journal makes it 34"),
    ("busy", "UPDATE purchase SET record = jsonb_set(record, '{{returned}}', '[[1, 3000]]') WHERE member_id = {m} "
             "AND version = 3", "purchase", "purchase 3: money returned is 3000, the journal makes it 3333"),
    ("busy", "UPDATE purchase SET record = jsonb_set(record, '{{lot}}', '7') WHERE member_id = {m} AND version = 3",
     "purchase", "purchase 3: lot is 7, the journal makes it 2"),
    ("busy", "UPDATE purchase SET record = jsonb_set(record, '{{period}}', '2020') WHERE member_id = {m} "
             "AND version = 3", "purchase", "purchase 3: period is 2020, the journal makes it 2026"),
    ("busy", "UPDATE purchase SET record = '{{}}' WHERE member_id = {m} AND version = 3",
     "purchase", "purchase 3 cannot be read"),
    ("busy", "UPDATE purchase SET version = 4 WHERE member_id = {m} AND version = 3",
     "purchase", "purchase 4 is no purchase's version"),
    ("busy", "DELETE FROM purchase WHERE member_id = {m} AND version = 3",
     "purchase", "the purchase of version 3 has no row"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{purchase}}', '4') WHERE member_id = {m} "
             "AND version = 9", "purchase", "version 9 returns 4, which is no purchase"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{amount}}', '10001') WHERE member_id = {m} "
             "AND version = 9", "purchase", "purchase 3: more was returned than bought"),
    ("busy", "UPDATE entry SET reverses = 2 WHERE member_id = {m} AND version = 9",
     "purchase", "entry 9/0: whose points is 2, the journal makes it 3"),
    ("busy", "UPDATE member_version SET change = jsonb_set(change, '{{base}}', '60') WHERE member_id = {m} "
             "AND version = 2", "award", "version 2: base, bonus and its tier is (60, 0"),
    ("busy", "DELETE FROM claim WHERE member_id = {m} AND version = 3",
     "claim", "version 3 is the answer to 0 keys"),
    ("busy", "UPDATE claim SET version = 4 WHERE member_id = {m} AND version = 3",
     "claim", "version 4 is the answer to 2 keys"),
    ("busy", "UPDATE claim SET version = 40 WHERE member_id = {m} AND version = 3",
     "claim", "a key was answered with version 40, which does not exist"),
    ("nobody", "INSERT INTO claim (source, id, hash, attempt) VALUES ('s', 'k', '', 1)",
     "claim", "a key was claimed and never answered"),
    ("busy", "DELETE FROM member WHERE id = {m}", "orphan", "has rows in the ledger but is not a member"),
    ("last", "INSERT INTO lot VALUES ({m}, 'points', 1, 1, now(), NULL, 5, 5)",
     "orphan", "has rows in the ledger but is not a member"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "damage", "kind", "words"), DAMAGE, ids=[f"{c[2]}: {c[3]}" for c in DAMAGE])
async def test_damage_is_found_and_named(
    damaged: AsyncConnection, lived: Lived, who: str, damage: str, kind: Kind, words: str
) -> None:
    member = {"busy": lived.busy, "owing": lived.owing, "lapsed": lived.lapsed, "nobody": 0, "last": 2**63 - 1}[who]
    await damaged.exec_driver_sql(damage.format(m=member))
    report = await verify_in(damaged)
    assert not report.clean
    assert report.found == len(report.findings)
    named = {finding.member for finding in report.findings if finding.kind == kind and words in finding.detail}
    assert named == {member}
    assert {finding.member for finding in report.findings} == {member}


async def test_findings_are_bounded_and_all_counted(damaged: AsyncConnection) -> None:
    many = MAX_FINDINGS + 50
    await damaged.exec_driver_sql(
        f"INSERT INTO lot SELECT n, 'points', 1, 1, now(), NULL, 5, 5 FROM generate_series(1, {many}) AS n"
    )
    report = await verify_in(damaged)
    assert len(report.findings) == MAX_FINDINGS
    assert report.found == many
    assert str(report.findings[0]) == "member 1: orphan: has rows in the ledger but is not a member"


@pytest.mark.parametrize(("bound", "value", "calls"), [("MEMBERS", 2, 2), ("MEMBERS", 1, 4), ("VERSIONS", 1, 3)])
async def test_small_ranges_see_every_member_once(
    damaged: AsyncConnection, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, calls: int
) -> None:
    whole = await verify_in(damaged)
    monkeypatch.setattr(rows, f"RANGE_{bound}", value)
    done: list[tuple[int, int]] = []
    report = await verify_in(damaged, lambda members, total: done.append((members, total)))
    assert msgspec.structs.replace(report, seconds=0.0) == msgspec.structs.replace(whole, seconds=0.0)
    assert len(done) == calls
    assert done[-1] == (3, 3)


async def test_a_commit_in_the_midst_is_not_seen_in_halves(
    database: Database, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The member buys again after its member row was read and before the rest is."""
    engine = await open_engine()
    member = await enrol(engine)
    read = rows.read

    async def buy_and_read(connection: AsyncConnection, within: rows.Range) -> dict[int, rows.MemberRows]:
        await send(engine, bought(START, 500), member)
        return await read(connection, within)

    monkeypatch.setattr(rows, "read", buy_and_read)
    report = await verified(database.url)
    assert report.findings == []
    assert report.versions == 1
