"""A ledger that the release before wrote (no awards, no periods, no sources) is proved as well, also where this release
goes on with it. Its rows are written out here by hand, as that release wrote them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import connect
from core.earning.returns import ReturnLine, ReturnPurchase
from core.embedded import Endpoints
from core.rewards.decide import HoldReward
from core.verify import verify_in
from tests.conftest import START, OpenEngine, copy_of
from tests.core.door import bought, publish_programme, send, verified
from tests.core.programmes import document
from tests.databases import Database, execute

MEMBER = 7
WHEN = {
    1: "2025-11-01T10:00:00Z",
    2: "2025-11-02T10:00:00Z",
    3: "2026-01-05T10:00:00Z",
    4: "2026-01-06T10:00:00Z",
    5: "2026-01-06T10:05:00Z",
    6: "2026-01-07T10:00:00Z",
    7: "2026-01-08T10:00:00Z",
    8: "2026-01-08T12:00:00Z",
}
SILVER = {"tier": "silver", "qualifying": 100}
# Each version's kind, and what its record says beside.
VERSIONS: dict[int, tuple[str, dict[str, Any]]] = {
    1: ("enrol", {"available": 0, "tier": "base"}),
    2: ("purchase", {"available": 120, "points": 120, "tier": "silver", "qualifying": 120, "sku": "CD", "quantity": 1,
                     "amount": 12_000, "base": 120, "purchase": 2}),
    3: ("purchase", {"available": 245, "points": 125, **SILVER, "quantity": 2, "amount": 10_010, "base": 100,
                     "bonus": 25, "bonus_tier": "silver", "purchase": 3}),
    4: ("hold", {"available": 235, "points": -10, **SILVER, "reward": "small", "hold": 4}),
    5: ("capture", {"available": 235, **SILVER, "reward": "small", "hold": 4, "base": 10}),
    # 42 of 125 points went with a third of the money: reckoned by award they would have been 34 and 9.
    6: ("return", {"available": 193, "points": -42, "tier": "silver", "qualifying": 66, "quantity": 1, "amount": 3_333,
                   "base": -42, "purchase": 3}),
    7: ("hold", {"available": 183, "points": -10, "tier": "silver", "qualifying": 66, "reward": "small", "hold": 7}),
    8: ("void", {"available": 193, "points": 10, "tier": "silver", "qualifying": 66, "released": 10,
                 "reason": "timed_out"}),
}  # fmt: skip
# Each version's entry: its kind, the version it reverses, and its postings.
ENTRIES: dict[int, tuple[str, int, list[tuple[str, int, int | None]]]] = {
    2: ("earn", 0, [("issued", -120, None), ("available", 120, 1)]),
    3: ("earn", 0, [("issued", -125, None), ("available", 125, 2)]),
    4: ("hold", 0, [("available", -10, 1), ("held", 10, None)]),
    5: ("capture", 4, [("held", -10, None), ("redeemed", 10, None)]),
    6: ("return", 3, [("available", -42, 2), ("issued", 42, None)]),
    7: ("hold", 0, [("available", -10, 1), ("held", 10, None)]),
    8: ("time_out", 7, [("held", -10, None), ("available", 10, 1)]),
}
OCCURRED = WHEN | {8: "2026-01-08T10:15:00Z"}
LINES = {
    2: [{"sku": "CD", "quantity": 1, "amount": 12_000}],
    3: [{"sku": "CD", "quantity": 1, "amount": 3_333}, {"sku": "LP", "quantity": 1, "amount": 6_677}],
}
RETURNED = {3: {"returned": [[1, 3_333], [0, 0]], "taken_back": 42, "qualifying_taken_back": 34}}


def _change(version: int) -> str:
    kind, said = VERSIONS[version]
    at = {"recorded_at": WHEN[version], "occurred_at": WHEN[version]}
    return json.dumps({"member": MEMBER, "version": version, "kind": kind, "programme": 2, **at, **said})


def _record(version: int) -> str:
    said = VERSIONS[version][1]
    record = {
        "member": MEMBER, "version": version, "external_id": "till-1", "occurred_at": WHEN[version],
        "recorded_at": WHEN[version], "place": "", "till": "", "channel": "store", "currency": "USD",
        "total": said["amount"], "lines": LINES[version], "programme": 2, "base": said["base"],
        "bonus": said.get("bonus", 0), "bonus_tier": said.get("bonus_tier", ""), "period": int(WHEN[version][:4]),
        "lot": version - 1, "available": said["available"], "returned": [], "taken_back": 0,
        "qualifying_taken_back": 0,
    }  # fmt: skip
    return json.dumps(record | RETURNED.get(version, {}))


def _rows() -> Iterator[str]:
    yield f"INSERT INTO member (id, version, recorded_at) VALUES ({MEMBER}, 8, '{WHEN[8]}')"
    yield (
        "INSERT INTO account (member_id, currency, available, held, debt, lots_made, qualifying, next_due) "
        f"VALUES ({MEMBER}, 'points', 193, 0, 0, 2, '{{\"2025\": 120, \"2026\": 66}}', '2027-11-03Z')"
    )
    for no, ends, amount, remaining in ((1, "2027-11-03Z", 120, 110), (2, "2028-01-06Z", 125, 83)):
        yield (
            "INSERT INTO lot (member_id, currency, no, origin, earned_at, expires_at, amount, remaining) "
            f"VALUES ({MEMBER}, 'points', {no}, {no + 1}, '{WHEN[no + 1]}', '{ends}', {amount}, {remaining})"
        )
    for no, state, resolved in ((4, "captured", 5), (7, "timed_out", 8)):
        yield (
            "INSERT INTO hold (member_id, no, currency, reward, points, opened_at, expires_at, takings, state, "
            f"resolved_version) VALUES ({MEMBER}, {no}, 'points', 'small', 10, '{WHEN[no]}', "
            f"CAST('{WHEN[no]}' AS timestamptz) + interval '15 minutes', '[[1, 10]]', '{state}', {resolved})"
        )
    for version, (kind, _) in VERSIONS.items():
        entries = int(version in ENTRIES)
        yield (
            "INSERT INTO member_version (member_id, version, command, entries, recorded_at, change) "
            f"VALUES ({MEMBER}, {version}, '{kind}', {entries}, '{WHEN[version]}', '{_change(version)}')"
        )
        yield (
            "INSERT INTO claim (source, id, hash, attempt, member_id, version, changed) "
            f"VALUES ('before', '{version}', '', 1, {MEMBER}, {version}, true)"
        )
    for version, (kind, reverses, postings) in ENTRIES.items():
        yield (
            "INSERT INTO entry (member_id, version, no, kind, occurred_at, recorded_at, programme, source, place, "
            f"reverses) VALUES ({MEMBER}, {version}, 0, '{kind}', '{OCCURRED[version]}', '{WHEN[version]}', 2, "
            f"'before', '', {reverses})"
        )
        values = ", ".join(
            f"({MEMBER}, {version}, 0, {no}, '{account}', 'points', {amount}, {lot or 'NULL'})"
            for no, (account, amount, lot) in enumerate(postings)
        )
        yield (
            f"INSERT INTO posting (member_id, version, entry_no, no, account, currency, amount, lot) VALUES {values}"
        )
    for version in LINES:
        yield f"INSERT INTO purchase (member_id, version, record) VALUES ({MEMBER}, {version}, '{_record(version)}')"


async def _written(database: Database) -> Database:
    await publish_programme(database.owner_url, document())
    await execute(database.owner_url, *_rows())
    return database


@pytest.fixture(scope="module")
async def before(endpoints: Endpoints, template: str) -> AsyncIterator[Database]:
    async with copy_of(endpoints, template) as database:
        yield await _written(database)


async def test_what_the_release_before_wrote_is_clean(before: Database) -> None:
    report = await verified(before.url)
    assert report.findings == []
    assert (report.clean, report.versions, report.purchases, report.holds) == (True, 8, 2, 2)


async def test_this_release_goes_on_with_it(database: Database, open_engine: OpenEngine) -> None:
    await _written(database)
    engine = await open_engine()
    await send(engine, ReturnPurchase(2, (ReturnLine("CD", 1, 5_000),)), MEMBER)
    await send(engine, ReturnPurchase(3), MEMBER)
    answer = await send(engine, bought(START, 5_000), MEMBER)
    await send(engine, HoldReward("small"), MEMBER)
    await send(engine, ReturnPurchase(answer.version), MEMBER)
    report = await verified(database.url)
    assert report.findings == []


async def test_a_purchase_alone_goes_on_with_it(database: Database, open_engine: OpenEngine) -> None:
    """It is not the member's first, so nothing is written down of it."""
    await _written(database)
    await send(await open_engine(), bought(START, 5_000), MEMBER)
    assert (await verified(database.url)).findings == []


DAMAGE = [
    ("UPDATE member_version SET change = jsonb_set(change, '{base}', '101') WHERE version = 3",
     "purchase", "the points it says it earned is 126, the journal makes it 125"),
    ("UPDATE purchase SET record = jsonb_set(record, '{taken_back}', '43') WHERE version = 3",
     "purchase", "taken back is 43, the journal makes it 42"),
    ("UPDATE purchase SET record = jsonb_set(record, '{period}', '2025') WHERE version = 3",
     "purchase", "period is 2025, the journal makes it 2026"),
    ("UPDATE purchase SET record = jsonb_set(record, '{qualifying_taken_back}', '33') WHERE version = 3",
     "purchase", "qualifying taken back is 33, the journal makes it 34"),
    ("UPDATE purchase SET record = jsonb_set(record, '{returned}', '[[1, 3332], [0, 0]]') WHERE version = 3",
     "purchase", "money returned is 3332, the journal makes it 3333"),
    ("UPDATE account SET qualifying = '{\"2025\": 120, \"2026\": 65}'",
     "qualifying", "the journal makes it {2025: 120, 2026: 66}"),
    ("UPDATE member_version SET change = jsonb_set(change, '{tier}', '\"base\"') WHERE version = 3",
     "tier", "the tier at version 3 is base, the journal makes it silver"),
    ("UPDATE lot SET source = 3 WHERE no = 2", "lot", "lot 2: source is 3, the journal makes it 0"),
    ("UPDATE entry SET awards = '[[\"base\", \"\", 125]]' WHERE version = 3", "award", "its version says none"),
    ("INSERT INTO progress VALUES (7, '{\"first_purchase\": 3}')", "progress", "the first purchase is 3"),
    ("INSERT INTO progress VALUES (7, '{\"counters\": {\"reward/small\": 9}}')",
     "progress", "reward/small was counted 9 times"),
]  # fmt: skip


@pytest.fixture
async def damaged(before: Database) -> AsyncIterator[AsyncConnection]:
    pool = connect(before.owner_url, pool_size=1)
    async with pool.connect() as connection:
        for table in ("entry", "member_version"):
            await connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection
    await pool.dispose()


@pytest.mark.parametrize(("damage", "kind", "words"), DAMAGE, ids=[f"{c[1]}: {c[2]}" for c in DAMAGE])
async def test_damage_to_it_is_found(damaged: AsyncConnection, damage: str, kind: str, words: str) -> None:
    await damaged.exec_driver_sql(damage)
    report = await verify_in(damaged)
    assert any(finding.kind == kind and words in finding.detail for finding in report.findings), report.findings
