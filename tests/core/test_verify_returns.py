"""`verify` proves returns that leave something behind: vouchers are back with the money, lines share a sku."""

from __future__ import annotations

from core.database import connect
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.embedded import Endpoints
from core.engine.engine import Engine
from core.members.identifiers import new_voucher_code
from core.programme.book import ProgrammeBook
from core.rewards.vouchers import GrantVoucher, UseVoucher
from core.snapshot import Line
from tests.conftest import SettableClock, copy_of
from tests.core.door import enrol, publish_programme, send, verified
from tests.core.verify_life import document
from tests.databases import execute

LINES = (Line("CD", 1, 2_000), Line("CD", 1, 1_000), Line("BAG", 1, 0))


async def test_a_voucher_that_is_back_before_the_last_piece_is_proved(endpoints: Endpoints, template: str) -> None:
    async with copy_of(endpoints, template) as database:
        await publish_programme(database.owner_url, document())
        clock, pool = SettableClock(), connect(database.url, pool_size=2)
        engine = Engine(pool, ProgrammeBook(), lambda committed, seconds: None, lanes=1, clock=clock)
        await engine.open()
        member, code = await enrol(engine), new_voucher_code()
        await send(engine, GrantVoucher("five", code, "a gift"), member)
        for again in range(2):
            slip = RecordPurchase(f"till-{again}", clock(), "store", "USD", 3_000, LINES, vouchers=(code,))
            version = (await send(engine, slip, member)).version
            for money in (1_000, 2_000):
                await send(engine, ReturnPurchase(version, (ReturnLine("CD", 1, money),)), member)
        assert (await verified(database.url)).findings == []
        await send(engine, ReturnPurchase(version, (ReturnLine("BAG", 1, 0),)), member)
        await send(engine, UseVoucher(code), member)
        assert (await verified(database.url)).findings == []
        await engine.close()
        await pool.dispose()
        await execute(database.owner_url, "UPDATE voucher SET used = 2")
        assert [one.kind for one in (await verified(database.url)).findings] == ["voucher"]
