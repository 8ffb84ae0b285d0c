"""Two members that are one person: nothing is lost, everything of either leads to the one that lives on."""

from __future__ import annotations

from core.earning.returns import ReturnPurchase
from core.members.identifiers import Identifier
from core.members.merge import MergeMembers
from core.rewards.decide import CaptureHold, HoldReward
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import bought, enrol, publish_programme, send, verified
from tests.core.programmes import document


async def test_a_merge_at_the_door(
    open_engine: OpenEngine, clock: SettableClock, database_url: str, owner_url: str
) -> None:
    await publish_programme(owner_url, document())
    engine = await open_engine()
    one = await enrol(engine, Identifier("email", "one@example.com"))
    two = await enrol(engine, Identifier("email", "two@example.com"))
    await send(engine, bought(clock(), 10_000), one)
    first = await send(engine, bought(clock(), 5_000), two)
    held = await send(engine, HoldReward("small"), two)
    await send(engine, bought(clock(), 5_000), one)
    merged = await send(engine, MergeMembers(two, "the same person"), one)
    assert merged.member == one
    assert merged.change
    assert merged.change.available == 162 + 40
    assert merged.change.tier == "silver"
    back = await send(engine, ReturnPurchase(first.version), two)
    assert back.change
    assert (back.member, back.change.available) == (one, 152)
    done = await send(engine, CaptureHold(held.version), two)
    assert done.change
    assert done.change.available == 152
    again = await send(engine, MergeMembers(Identifier("email", "two@example.com"), "the same"), one)
    assert again.change is None
    report = await verified(database_url)
    assert report.clean, [str(one) for one in report.findings]
