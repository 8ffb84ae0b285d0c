"""The proof that the ledger is right: every member's journal played again and compared with what is stored.

It shares no arithmetic with what it checks. It changes nothing, may run beside a serving instance (one REPEATABLE READ,
READ ONLY snapshot), and needs memory for a few thousand versions, however many members there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.points import POINTS
from core.verify import rows
from core.verify.audit import audit
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
    as it says, and summing to zero; the balance equal to the postings, and to the lots less the debt; no lot below
    zero nor above its amount at any time, no debt or held sum below zero; each hold opened and ended once; each
    version's balance, tier and qualifying points as the journal makes them; each purchase as its version and its
    returns say; each version made by exactly one key, each key naming a version.
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
    async for within in rows.ranges(connection):
        for member in (await rows.read(connection, within)).values():
            _count(report, member)
            _note(report, audit(member, rules, POINTS))
        if progress is not None:
            progress(report.members, total)
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
    report.holds += len(member.holds)
    report.purchases += len(member.purchases)


def _note(report: Report, findings: Iterable[Finding]) -> None:
    for finding in findings:
        report.found += 1
        if len(report.findings) < MAX_FINDINGS:
            report.findings.append(finding)


async def _claims(connection: AsyncConnection, report: Report) -> None:
    report.claims, bad = await rows.claims(connection, MAX_FINDINGS)
    for claim in bad:
        if claim.member is None:
            detail = "a key was claimed and never answered"
        elif claim.keys == 1:
            detail = f"a key was answered with version {claim.version}, which does not exist"
        else:
            detail = f"version {claim.version} is the answer to {claim.keys} keys"
        _note(report, [Finding(claim.member or 0, "claim", detail)])
