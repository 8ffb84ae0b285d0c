"""The proof that the ledger is right: every member's journal played again and compared with what is stored.

It shares no arithmetic with what it checks. It changes nothing, may run beside a serving instance (one REPEATABLE READ,
READ ONLY snapshot), and needs memory for a few thousand versions, however many members there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from time import perf_counter

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.verify import across, rows
from core.verify.audit import Played, audit
from core.verify.report import Finding, Report
from core.verify.rows import MemberRows

__all__ = ["MAX_FINDINGS", "Finding", "Report", "verify", "verify_in"]

MAX_FINDINGS = 100
"""Kept of a report: one slip of ours shows at every member, and the first hundred lines say which."""

Progress = Callable[[int, int], None]
"""Called with the members done and the members in all."""


async def verify(engine: AsyncEngine, progress: Progress | None = None) -> Report:
    """Prove every member of the database, or say what does not hold.

    Proved for each member: versions without a gap up to the member's own; each entry of a version that exists, as many
    as it says, of a kind that such a version has, in one currency, summing to zero; balances, pending and held points
    equal to the postings, to the lots less the debt, to what is pending and to the open holds; no lot below zero nor
    above its amount at any time, each with its date and its source; nothing vests or lapses before its time, and no
    more is reinstated than expired; awards add up to what was issued and name what their programme has; each version's
    balances, tier and qualifying figure as the journal makes them; each purchase, hold and voucher as its version, and
    the versions after it, say; the member's own counts as what it used; of a merge, that all of one member came to the
    other with its dates, and that nothing leads to it any more. Proved of all together: stock and shared limits
    as what the members used; a draw's tickets numbered without a gap, each of one claim; voucher codes and identifiers
    one for one; each version made by exactly one key, each key naming a version.

    Not proved: that a decision was right to be made (a limit kept, a campaign's conditions met, the rate of an award);
    what no version records (segments, birthdays, a draw's seed and winners, a purchase's lines beyond their sums).
    """
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return await verify_in(connection, progress)


async def verify_in(connection: AsyncConnection, progress: Progress | None = None) -> Report:
    """`verify` in a transaction of the caller's, which must see one moment throughout."""
    started = perf_counter()
    report = Report()
    total = await rows.count_members(connection)
    rules = await rows.rules(connection)
    shared, tickets = Counter[str](), Counter[str]()
    async for within in rows.ranges(connection):
        played: dict[int, Played] = {}
        for member in (await rows.read(connection, within)).values():
            audited = audit(member, rules, played)
            _count(report, member)
            _note(report, audited.findings)
            shared.update(audited.shared)
            tickets.update(audited.tickets)
        if progress is not None:
            progress(report.members, total)
    await _tallies(connection, report, shared)
    await _draws(connection, report, tickets)
    await _codes(connection, report)
    await _merges(connection, report)
    await _claims(connection, report)
    report.clean = report.found == 0
    report.seconds = perf_counter() - started
    return report


def _count(report: Report, member: MemberRows) -> None:
    report.members += member.version is not None
    report.versions += len(member.versions)
    report.entries += len(member.entries)
    report.postings += len(member.postings)
    report.lots += len(member.lots)
    report.pending += len(member.pending)
    report.holds += len(member.holds)
    report.vouchers += len(member.vouchers)
    report.purchases += len(member.purchases)


def _note(report: Report, findings: Iterable[Finding]) -> None:
    for finding in findings:
        report.found += 1
        if len(report.findings) < MAX_FINDINGS:
            report.findings.append(finding)


async def _tallies(connection: AsyncConnection, report: Report, used: Counter[str]) -> None:
    """What was used up together: as many keys as limits name."""
    stored = await across.tallies(connection)
    for key in sorted(stored.keys() | used.keys()):
        if stored.get(key, 0) != used[key]:
            detail = f"{key} is counted {stored.get(key, 0)} times, the members make it {used[key]}"
            _note(report, [Finding(0, "tally", detail)])


async def _draws(connection: AsyncConnection, report: Report, claimed: Counter[str]) -> None:
    """Tickets are numbered from 1 without a gap; as no two have one number, those of a claim each and as many as there
    are claims are one for one."""
    draws, astray = await across.tickets(connection, MAX_FINDINGS)
    for draw in draws:
        report.tickets += draw.tickets
        if (draw.lowest, draw.highest) != (1, draw.tickets):
            detail = f"the {draw.tickets} tickets of {draw.draw} run from {draw.lowest} to {draw.highest}"
            _note(report, [Finding(0, "draw", detail)])
        if draw.counted not in (None, draw.tickets):
            detail = f"{draw.draw} was concluded with {draw.counted} tickets, and has {draw.tickets}"
            _note(report, [Finding(0, "draw", detail)])
    there = Counter({draw.draw: draw.tickets for draw in draws})
    for name in sorted(there.keys() | claimed.keys()):
        if there[name] != claimed[name]:
            detail = f"{name} has {there[name]} tickets, and {claimed[name]} were claimed"
            _note(report, [Finding(0, "draw", detail)])
    for ticket in astray:
        detail = f"ticket {ticket.no} of {ticket.draw} is of version {ticket.version}, which did not claim it"
        _note(report, [Finding(ticket.member, "draw", detail)])


async def _codes(connection: AsyncConnection, report: Report) -> None:
    for code in await across.astray_codes(connection, MAX_FINDINGS):
        detail = f"the code {code.code} is no voucher's"
        if code.no is not None:
            detail = f"voucher {code.no} is not found by its code {code.code}"
        _note(report, [Finding(code.member, "voucher", detail)])


async def _merges(connection: AsyncConnection, report: Report) -> None:
    for one in await across.astray_merges(connection, MAX_FINDINGS):
        detail = f"leads to {one.merged_into}, and its merges and identifiers to {one.lives_on}"
        _note(report, [Finding(one.member, "merge", detail)])


async def _claims(connection: AsyncConnection, report: Report) -> None:
    report.claims, bad = await across.claims(connection, MAX_FINDINGS)
    for claim in bad:
        if claim.member is None:
            detail = "a key was claimed and never answered"
        elif claim.keys == 1:
            detail = f"a key was answered with version {claim.version}, which does not exist"
        else:
            detail = f"version {claim.version} is the answer to {claim.keys} keys"
        _note(report, [Finding(claim.member or 0, "claim", detail)])
