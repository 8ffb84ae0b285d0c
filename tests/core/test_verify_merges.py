"""Of members that became one, `verify` proves all that it proves of others, and finds each kind of damage."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import connect
from core.embedded import Endpoints
from core.verify import verify_in
from tests.core.door import verified
from tests.core.test_verify_damage import APPEND_ONLY, change, progress, record
from tests.core.verify_life import Lived, document, lived


@pytest.fixture(scope="module")
async def life(endpoints: Endpoints, template: str) -> AsyncIterator[Lived]:
    async with lived(endpoints, template, document(), merges=True) as life:
        yield life


@pytest.mark.parametrize("negative", ["debt", "floor"])
@pytest.mark.parametrize("expiry", ["months = 6", 'months = 6, mode = "activity"'])
@pytest.mark.parametrize("measure", ["points", "spend", "visits"])
async def test_a_life_that_takes_two_others_in_is_proved(
    endpoints: Endpoints, template: str, measure: str, expiry: str, negative: str
) -> None:
    source = document(measure=measure, expiry=expiry, negative=negative)
    async with lived(endpoints, template, source, merges=True) as life:
        assert [str(finding) for finding in (await verified(life.url)).findings] == []


@pytest.fixture
async def damaged(life: Lived) -> AsyncIterator[AsyncConnection]:
    """The owner's connection, with the journal's triggers off; whatever is done is undone."""
    pool = connect(life.owner_url, pool_size=1)
    async with pool.connect() as connection:
        for table in (*APPEND_ONLY, "merge"):
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        yield connection
    await pool.dispose()


CAME = "WHERE member_id = {m} AND origin = {o_merged_there}"
DAMAGE: list[tuple[str, str, str]] = [
    # What came
    (f"UPDATE lot SET expires_at = expires_at + interval '1 day' {CAME} AND remaining > 0", "lot", "date is"),
    (f"UPDATE lot SET source = 0 {CAME} AND source > 0", "lot", "source is 0"),
    (f"UPDATE lot SET earned_at = earned_at - interval '1 day' {CAME}", "merge", "was earned is"),
    (f"DELETE FROM lot {CAME} AND remaining = 0", "lot", "is in the journal only"),
    ("UPDATE posting SET amount = amount - sign(amount) WHERE member_id = {m} AND version = {o_merged_there} "
     "AND (account = 'merged' OR lot = (SELECT max(lot) FROM posting WHERE member_id = {m} "
     "AND version = {o_merged_there} AND currency = 'points')) AND currency = 'points'", "merge", "it should have"),
    ("UPDATE pending SET expires_at = expires_at + interval '1 day' WHERE member_id = {m} AND no > 1048576",
     "pending", "earned, vests, until"),
    ("DELETE FROM hold WHERE member_id = {m} AND no > 1048576", "hold", "which has no row"),
    ("UPDATE hold SET expires_at = expires_at + interval '1 day' WHERE member_id = {m} AND no > 1048576",
     "hold", "until when"),
    ("UPDATE voucher SET expires_at = expires_at + interval '1 day' WHERE member_id = {m} AND no > 1048576",
     "voucher", "what came of voucher"),
    ("UPDATE voucher SET void = false WHERE member_id = {m} AND no > 1048576", "voucher", "whether it was taken back"),
    (progress("counters,campaign/star/2027-04-16", "1"), "progress", "campaign/star/2027-04-16 was counted 1 times"),
    ("UPDATE account SET qualifying = jsonb_set(qualifying, '{{4053}}', '1') WHERE member_id = {m} AND "
     "currency = 'points'", "qualifying", "qualifying points is"),
    # What was returned since of what came
    (record("o_again", "returned", "[]", "o"), "purchase", "money returned is 0"),
    (record("t_paid", "paid_back", "1", "third"), "purchase", "points given back is 1"),
    # What left
    ("UPDATE hold SET state = 'open', resolved_version = NULL WHERE member_id = {o} AND state = 'merged'",
     "hold", "its end is"),
    ("UPDATE account SET available = 5 WHERE member_id = {o} AND currency = 'points'", "balance", "balance is 5"),
    ("UPDATE lot SET remaining = 1 WHERE member_id = {o} AND no = 4 AND currency = 'points'", "lot", "remaining is 1"),
    ("UPDATE pending SET remaining = 1 WHERE member_id = {o} AND amount > 50", "pending", "what remains is 1"),
    # Who went where
    ("UPDATE merge SET lots = '{{\"points\": 0}}' WHERE survivor = {m}", "merge", "and was there before"),
    ("UPDATE merge SET lots = '7' WHERE survivor = {m}", "merge", "cannot be read"),
    ("DELETE FROM merge WHERE survivor = {m}", "merge", "and no merge says so"),
    ("UPDATE member SET merged_into = NULL WHERE id = {o}", "merge", "its journal says that it went into"),
    ("UPDATE member SET merged_into = {o} WHERE id = {third}", "merge", "its merges and identifiers to"),
    ("UPDATE identifier SET member_id = {o} WHERE kind = 'code' AND member_id = {m}", "merge", "merges and identifiers"),
    (change("o_merged_there", "merged", "{third}"), "merge", "and no merge says so"),
    ("UPDATE member_version SET command = 'traits', change = jsonb_set(change, '{{kind}}', '\"traits\"') "
     "WHERE member_id = {o} AND version = {o_merged}", "merge", "its journal does not say so"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "kind", "words"), DAMAGE, ids=[f"{c[1]}: {c[2]}" for c in DAMAGE])
async def test_damage_is_found_and_named(
    damaged: AsyncConnection, life: Lived, damage: str, kind: str, words: str
) -> None:
    done = await damaged.exec_driver_sql(damage.format(m=life.member, o=life.other, **life.at))
    assert done.rowcount
    found = (await verify_in(damaged)).findings
    assert any(finding.kind == kind and words in finding.detail for finding in found), [str(one) for one in found]
