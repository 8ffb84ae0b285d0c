"""Each kind of damage to what a programme's widest life leaves behind is found, and named by what it was done to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import connect
from core.embedded import Endpoints
from core.verify import verify_in
from tests.core.verify_life import Lived, document, lived

APPEND_ONLY = ("entry", "posting", "member_version", "draw_ticket")


@pytest.fixture(scope="module")
async def life(endpoints: Endpoints, template: str) -> AsyncIterator[Lived]:
    async with lived(endpoints, template, document()) as life:
        yield life


@pytest.fixture
async def damaged(life: Lived) -> AsyncIterator[AsyncConnection]:
    """The owner's connection, with the journal's triggers off; whatever is done is undone."""
    pool = connect(life.owner_url, pool_size=1)
    async with pool.connect() as connection:
        for table in APPEND_ONLY:
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        yield connection
    await pool.dispose()


def change(at: str, path: str, value: str, who: str = "m") -> str:
    return (
        f"UPDATE member_version SET change = jsonb_set(change, '{{{{{path}}}}}', '{value}') "
        f"WHERE member_id = {{{who}}} AND version = {{{at}}}"
    )


def record(at: str, path: str, value: str, who: str = "m") -> str:
    return (
        f"UPDATE purchase SET record = jsonb_set(record, '{{{{{path}}}}}', '{value}') "
        f"WHERE member_id = {{{who}}} AND version = {{{at}}}"
    )


def awards(at: str, path: str, value: str) -> str:
    return (
        f"UPDATE entry SET awards = jsonb_set(awards, '{{{{{path}}}}}', '{value}') "
        f"WHERE member_id = {{m}} AND version = {{{at}}} AND no = 0"
    )


def everywhere(at: str, old: str, new: str) -> str:
    """Alike in all places that say it, so that only what it says is wrong."""
    here = f"WHERE member_id = {{m}} AND version = {{{at}}}"
    return (
        f"WITH a AS (UPDATE entry SET awards = CAST(replace(CAST(awards AS text), '{old}', '{new}') AS jsonb) {here}), "
        f"b AS (UPDATE purchase SET record = CAST(replace(CAST(record AS text), '{old}', '{new}') AS jsonb) {here}) "
        f"UPDATE member_version SET change = CAST(replace(CAST(change AS text), '{old}', '{new}') AS jsonb) {here}"
    )


def row(table: str, put: str, at: str, who: str = "m", more: str = "") -> str:
    return f"UPDATE {table} SET {put} WHERE member_id = {{{who}}} AND no = {{{at}}} {more}"


def progress(path: str, value: str) -> str:
    return f"UPDATE progress SET record = jsonb_set(record, '{{{{{path}}}}}', '{value}') WHERE member_id = {{m}}"


SECOND_VOUCHER = (
    "INSERT INTO voucher SELECT member_id, 3, code, reward, issued_at, expires_at, uses, used, points, currency, "
    "takings, void, false, granted, by_hand FROM voucher WHERE member_id = {m} AND no = {granted}"
)
POINTS = "AND currency = 'points'"

# What is done, and the kinds and words by which verify must name it. {m} and {o} are the members, other names versions.
DAMAGE: list[tuple[str, str, str]] = [
    # Currencies
    (change("cup", "others,0,1", "-3"), "change", "stars at version"),
    (change("vest", "others,0,6", "4"), "change", "stars at version"),
    (change("vest", "others", "[]"), "change", "stars at version"),
    (change("gave", "others", '[["stars", 1, 8, 3, 0, 0, 0]]'), "change", "stars at version"),
    (change("web", "pending", "80"), "change", "pending at version"),
    (change("vest", "vested", "65"), "change", "vested at version"),
    ("UPDATE account SET available = available + 1 WHERE member_id = {m} AND currency = 'stars'",
     "balance", "the stars balance is 14"),
    ("UPDATE account SET qualifying = '{{\"4051\": 3}}' WHERE member_id = {m} AND currency = 'stars'",
     "qualifying", "stars counts"),
    ("DELETE FROM account WHERE member_id = {m} AND currency = 'stars'", "balance", "the journal has stars"),
    ("UPDATE account SET lapses_at = now() WHERE member_id = {m} AND currency = 'points'",
     "due", "when all points lapse is"),
    ("UPDATE posting SET currency = 'stars' WHERE member_id = {m} AND version = {gave} AND account = 'redeemed'",
     "entries", "or two currencies"),
    ("UPDATE posting SET account = 'adjusted' WHERE member_id = {m} AND version = {gave} AND account = 'redeemed'",
     "entries change", "moves what an entry of kind redeem does not"),
    ("UPDATE entry SET kind = 'adjust' WHERE member_id = {m} AND version = {gave}",
     "entries change", "is of kind adjust, in a version of another"),
    ("UPDATE entry SET programme = 1 WHERE member_id = {m} AND version = {gave}", "entries", "recorded_at and programme"),
    # Lots
    (row("lot", "source = 0", "vested_lot", more=POINTS), "lot", "source is 0"),
    (row("lot", "source = 7", "adjusted_lot", more=POINTS), "lot", "source is 7"),
    (row("lot", "expires_at = expires_at + interval '1 day'", "anew_lot", more=POINTS), "lot", "date is"),
    ("UPDATE entry SET occurred_at = occurred_at - interval '1 year' WHERE member_id = {m} AND version = {expired}",
     "lot", "lapse at"),
    ("UPDATE posting SET amount = 1000 * amount WHERE member_id = {m} AND version = {reinstated}",
     "entries balance change lot", "points more were reinstated than ever expired"),
    ("UPDATE posting SET lot = NULL WHERE member_id = {m} AND version = {extended} AND amount > 0 AND no = 1",
     "lot debt", "names no lot"),
    (change("extended", "until", '"2027-01-17T09:26:53Z"'), "lot", "date is"),
    # Pending points
    ("UPDATE account SET pending = pending + 1 WHERE member_id = {o} AND currency = 'points'",
     "pending", "pending is 76"),
    ("UPDATE account SET next_due = next_due + interval '1 day' WHERE member_id = {o} AND currency = 'stars'",
     "due", "something is due"),
    (row("pending", "remaining = remaining - 1", "o_web_anew", "o", POINTS), "pending", "what remains is"),
    (row("pending", "amount = amount + 1", "o_web_anew", "o", POINTS), "pending", "amount is"),
    (row("pending", "earned_at = now()", "o_web_anew", "o", POINTS), "pending", "earned, vests, until"),
    (row("pending", "vests_at = vests_at + interval '1 day'", "o_web_anew", "o", POINTS), "pending", "when its points"),
    (row("pending", "expires_at = NULL", "o_web_anew", "o", POINTS), "pending", "earned, vests, until"),
    (change("o_web_anew", "vests_at", '"2027-01-17T09:26:53Z"', "o"), "pending", "when its points vest"),
    ("DELETE FROM pending WHERE member_id = {o} AND no = {o_web_anew} AND currency = 'points'",
     "pending", "are in the journal only"),
    ("INSERT INTO pending SELECT member_id, currency, 3, earned_at, vests_at, expires_at, amount, 0 FROM pending "
     "WHERE member_id = {o} AND no = {o_web_anew} AND currency = 'stars'", "pending", "are not in the journal"),
    ("UPDATE entry SET occurred_at = occurred_at - interval '1 day' WHERE member_id = {m} AND version = {vest} "
     "AND kind = 'vest'", "pending lot", "when none are due"),
    ("UPDATE posting SET amount = 2 * amount WHERE member_id = {m} AND version = {vest} AND entry_no = 1",
     "pending lot balance change", "points of version 7 are pending"),
    # Awards
    (awards("bought", "0,2", "61"), "award", "what its awards come to is 231"),
    (awards("bought", "0,1", '"vinyl"'), "award", "has awards base vinyl 60"),
    ("UPDATE entry SET awards = NULL WHERE member_id = {m} AND version = {bought} AND no = 0",
     "award", "what its awards come to is 0"),
    ("UPDATE entry SET awards = '7' WHERE member_id = {m} AND version = {bought} AND no = 0",
     "award", "awards cannot be read"),
    (change("bought", "base", "141"), "award purchase", "base, bonus and its tier is (141, 0, '')"),
    (change("paid", "bonus", "64"), "award purchase", "base, bonus and its tier is (131, 64, 'gold')"),
    (change("checked_in", "awards", "[]"), "award tally", "has awards action check_in 5"),
    (change("gave", "awards", '[["base", "", 5]]'), "award", "has awards in points, and no entry that earns it"),
    (everywhere("bought", '"hello"', '"bye"'), "award", "the award of campaign 'bye' is of nothing"),
    (everywhere("bought", '"rule", "vinyl"', '"rule", "shellac"'), "award", "the award of rule 'shellac' is of nothing"),
    (everywhere("paid", '"tier", "gold"', '"tier", "tin"'), "award", "the award of tier 'tin' is of nothing"),
    (everywhere("bought", '"base", ""', '"base", "x"'), "award", "the award of base 'x' is of nothing"),
    (everywhere("checked_in", '"check_in"', '"review"'), "award tally", "the award of action 'review' is of"),
    (everywhere("prize_points", '"prize", "raffle"', '"prize", "mug"'), "award", "the award of prize 'mug' is of noth"),
    (everywhere("bought", '"hello", 10, "points", false', '"hello", 10, "points", true'),
     "award qualifying purchase", "the award of campaign 'hello' is of points that count"),
    (everywhere("bought", '"star", 3', '"double", 3'), "award tally", "the award of campaign 'double' is of"),
    # Tiers
    (change("bought", "qualified", "221"), "qualifying", "what qualifies is 221"),
    (change("bought", "purchase", "7"), "change", "its purchase is 7"),
    (change("bought", "period", "4052"), "qualifying", "the period it qualifies in is 4052"),
    (change("part_back", "qualified", "-79"), "qualifying", "what no longer qualifies is (4051, -79)"),
    (change("vest", "tier", '"base"'), "tier", "the tier at version"),
    (change("anew", "qualifying", "7"), "qualifying", "qualifying points at version"),
    # Purchases, and what came back of them
    (record("bought", "awards,0,2", "61"), "purchase", "awards is"),
    (record("bought", "measure", '"visits"'), "purchase", "measure is visits"),
    (record("bought", "measured", "7"), "purchase", "measured is 7"),
    (record("bought", "programme", "1"), "purchase", "programme is 1"),
    (record("bought", "lines,0,amount", "6001"), "purchase", "its lines is"),
    (record("bought", "lines", '[{{"sku": "CD", "quantity": 5, "amount": 10000}}]'),
     "award purchase qualifying", "has an award for a line that its purchase has not"),
    (record("bought", "due_back", "[0, 40, 0, 41, 0, 0]"), "purchase", "what was due of each award"),
    (record("bought", "returned", "[[1, 1999], [0, 0]]"), "purchase", "what was returned by line"),
    (record("bought", "returned", "[[0, 0], [2, 1999]]"), "purchase", "pieces returned is 2"),
    (record("web", "paid_points", "9"), "purchase", "points that paid is 9"),
    (record("web", "paid_from", "[[2, 10]]"), "purchase", "the lots that paid"),
    (record("web", "paid_amount", "19"), "purchase", "money that points paid"),
    (record("web", "paid_back", "1"), "purchase", "points given back is 1"),
    (change("web", "paid_points", "9"), "purchase", "points that paid is 9"),
    (change("web_back", "paid_points", "1"), "purchase", "points and money given back is (1, 4)"),
    (change("web_back", "paid_amount", "1"), "purchase", "points and money given back is (2, 1)"),
    (change("part_back", "parts,0,1", "2"), "purchase", "pieces and money"),
    (change("part_back", "parts,0,0", "0"), "purchase qualifying", "what returns took is"),
    (change("part_back", "parts,0,0", "9"), "purchase qualifying", "returns line 9"),
    (change("part_back", "base", "-81"), "change", "base is -81"),
    ("UPDATE entry SET reverses = {paid} WHERE member_id = {m} AND version = {part_back} AND no = 1",
     "purchase", "whose points is"),
    ("UPDATE entry SET reverses = {paid} WHERE member_id = {m} AND version = {web_back} AND kind = 'refund'",
     "purchase", "whose points is"),
    ("UPDATE posting SET lot = 2 WHERE member_id = {m} AND version = {web_back} AND entry_no = 0 AND lot = 1",
     "purchase lot", "were given back to other lots"),
    ("UPDATE posting SET lot = 2 WHERE member_id = {m} AND version = {paid_back_in_part} AND entry_no = 1 AND lot = 3",
     "purchase lot", "took points of others while"),
    ("UPDATE posting SET amount = amount * 2 WHERE member_id = {m} AND version = {web_back} AND entry_no = 1",
     "pending purchase change", "pending points taken at"),
    # Holds
    (row("hold", "store = 'moon'", "kept"), "hold", "is kept at 'moon'"),
    (row("hold", "store = ''", "kept"), "hold", "until when is"),
    (row("hold", "store = 'central'", "basket"), "hold", "is kept at 'central'"),
    (row("hold", "stocked = false", "kept"), "hold tally", "whether it took of the stock is False"),
    (row("hold", "reward = 'vinyl'", "kept"), "hold tally", "is for 'vinyl', which its programme has not"),
    (row("hold", "currency = 'points'", "cup"), "hold", "currency and price is"),
    (row("hold", "money = 5", "kept"), "hold change", "the money to be paid is 5"),
    (row("hold", "opened_at = now()", "kept"), "hold", "its version is"),
    (row("hold", "expires_at = opened_at", "voided_hold"), "hold", "ends by void"),
    (change("paid", "hold", "3"), "hold", "the version that ends it"),
    (change("collected", "base", "11"), "change", "base is 11"),
    ("UPDATE entry SET occurred_at = recorded_at WHERE member_id = {m} AND version = {vest} AND kind = 'time_out'",
     "hold", "ends by time_out"),
    ("UPDATE posting SET lot = 2 WHERE member_id = {m} AND version = {voided} AND lot = 1",
     "hold lot", "its points went to other lots"),
    # Vouchers
    (row("voucher", "used = 2", "claimed"), "voucher", "how often it was used is 2"),
    (row("voucher", "used = 1", "granted"), "voucher", "how often it was used is 1"),
    (row("voucher", "used = 1, by_hand = 1", "granted"), "voucher", "how often by hand is 1"),
    (row("voucher", "granted = false", "granted"), "voucher", "whether it was granted is False"),
    (row("voucher", "void = true", "granted"), "voucher tally", "whether it was taken back is True"),
    (row("voucher", "void = false", "claimed_in_vain"), "voucher tally", "whether it was taken back is False"),
    (row("voucher", "code = 'X'", "granted"), "voucher", "code is X"),
    (row("voucher", "code = 'X'", "granted"), "voucher", "is not found by its code X"),
    (row("voucher", "reward = 'raffle'", "granted"), "voucher tally", "reward is raffle"),
    (row("voucher", "issued_at = now()", "granted"), "voucher", "when it was issued"),
    (row("voucher", "expires_at = NULL", "granted"), "voucher", "until when it is good"),
    (row("voucher", "expires_at = issued_at", "claimed"), "voucher", "when it was good no more"),
    (row("voucher", "uses = 3", "granted"), "voucher", "uses is 3"),
    (row("voucher", "points = 20", "granted"), "voucher", "price is (20, 'points')"),
    (row("voucher", "currency = 'stars'", "claimed"), "voucher", "price is (20, 'stars')"),
    (row("voucher", "takings = '[[2, 20]]'", "claimed"), "voucher", "takings is"),
    (row("voucher", "takings = '7'", "claimed"), "voucher", "takings cannot be read"),
    (row("voucher", "stocked = false", "claimed"), "voucher tally", "whether it took of the stock is False"),
    ("DELETE FROM voucher WHERE member_id = {m} AND no = {granted}", "voucher tally", "has no row"),
    (SECOND_VOUCHER, "voucher", "voucher 3 was issued by no version"),
    (SECOND_VOUCHER, "voucher", "two vouchers have the code"),
    ("DELETE FROM identifier WHERE kind = 'voucher' AND member_id = {o}", "voucher", "is not found by its code"),
    ("UPDATE identifier SET member_id = {m} WHERE kind = 'voucher' AND member_id = {o}", "voucher", "is no voucher's"),
    (record("paid", "vouchers,0,1", "499"), "voucher purchase", "took off is 499"),
    (record("paid", "vouchers", "[]"), "purchase", "money that was not paid"),
    (change("cancelled", "base", "19"), "voucher", "the points given back for it is (20, 19)"),
    (change("cancelled", "voucher", "{granted}"), "voucher progress", "is about voucher 17, which was not issued"),
    (change("cancelled", "voucher", "{claimed}"), "voucher", "which was used or taken back before"),
    ("UPDATE member_version SET command = 'unuse', change = jsonb_set(change, '{{kind}}', '\"unuse\"') "
     "WHERE member_id = {m} AND version = {used}", "voucher", "takes back a use of voucher"),
    (change("used", "voucher", "3"), "voucher", "is about voucher 3, which was not issued"),
    (change("used", "reward", '"mug"'), "voucher", "its reward is mug"),
    (change("claimed", "until", '"2027-01-17T09:26:53Z"'), "voucher", "until when its voucher is good"),
    (change("claimed", "reward", '"trees"'), "voucher change progress", "and not as one does"),
    (change("claimed", "reward", '"moon"'), "voucher progress purchase", "for 'moon', which its programme has not"),
    (change("gave", "base", "6"), "change", "base is 6"),
    # Progress
    (progress("counters,reward/mug", "2"), "progress", "reward/mug was counted 2 times, the journal makes it 1"),
    (progress("counters,reward/moon", "2"), "progress", "reward/moon was counted 2 times, the journal makes it 0"),
    (progress("counters,campaign/double", "1"), "progress", "campaign/double was counted 1 times, the journal makes"),
    (progress("counters,campaign/star/2027-04-16", "0"), "progress", "campaign/star/2027-04-16 was counted 0 times"),
    (progress("counters,campaign/star/2026-03-14", "2"), "progress", "campaign/star/2026-03-14 was counted 2 times"),
    (progress("first_purchase", "{web}"), "progress", "the first purchase is 7, the journal makes it 2"),
    ("UPDATE progress SET record = '7' WHERE member_id = {m}", "progress", "progress cannot be read"),
    ("DELETE FROM progress WHERE member_id = {m}", "progress", "the first purchase is 0"),
    # What members share
    ("UPDATE tally SET used = used + 1 WHERE key = 'reward/mug'", "tally", "reward/mug is counted 3 times"),
    ("UPDATE tally SET used = used - 1 WHERE key = 'campaign/double'", "tally", "campaign/double is counted"),
    ("UPDATE tally SET used = used - 1 WHERE key = 'campaign/star/2026-03-14'", "tally", "campaign/star/2026-03-14 is"),
    ("UPDATE tally SET used = 0 WHERE key = 'draw/raffle'", "tally", "draw/raffle is counted 0 times"),
    ("DELETE FROM tally WHERE key = 'reward/five'", "tally", "reward/five is counted 0 times"),
    ("INSERT INTO tally (key, used) VALUES ('reward/moon', 1)", "tally", "reward/moon is counted 1 times"),
    ("DELETE FROM draw_ticket WHERE no = 1", "draw", "tickets of raffle run from 2 to 2"),
    ("DELETE FROM draw_ticket WHERE no = 2", "draw", "raffle has 1 tickets, and 2 were claimed"),
    ("UPDATE draw_ticket SET no = 3 WHERE no = 2", "draw", "the 2 tickets of raffle run from 1 to 3"),
    ("UPDATE draw_ticket SET version = {gave} WHERE no = 2", "draw", "which did not claim it"),
    ("UPDATE draw_ticket SET member_id = {o} WHERE no = 2", "draw", "which did not claim it"),
    ("INSERT INTO draw_ticket SELECT 'moon', no, member_id, version, entropy FROM draw_ticket", "draw", "moon has 2"),
    ("UPDATE draw SET tickets = 3", "draw", "raffle was concluded with 3 tickets, and has 2"),
    (change("prize_points", "ticket", "3"), "draw", "is a prize for ticket 3"),
    ("UPDATE member_version SET change = jsonb_set(change, '{{ticket}}', (SELECT change -> 'ticket' FROM member_version "
     "WHERE member_id = {m} AND version = {prize_points} + 1)) WHERE member_id = {m} AND version = {prize_points}",
     "draw", "which won before or is another's"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "kinds", "words"), DAMAGE, ids=[f"{c[1].split()[0]}: {c[2]}" for c in DAMAGE])
async def test_damage_is_found_and_named(
    damaged: AsyncConnection, life: Lived, damage: str, kinds: str, words: str
) -> None:
    """`kinds`: the one it must be named by, and others that follow from it."""
    statement = damage.format(m=life.member, o=life.other, **life.at)
    done = await damaged.exec_driver_sql(statement)
    assert done.rowcount
    report = await verify_in(damaged)
    first = kinds.split()[0]
    assert any(finding.kind == first and words in finding.detail for finding in report.findings), report.findings
    assert {finding.kind for finding in report.findings} == set(kinds.split())
