"""Apple's web service under storms: registrations and logs are bounded, those who wait are let in again, and an expired
certificate is told in time."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from core.allowance import Allowance
from tests.bff.cards import DEVICE, KIND, card, count, register, tables
from tests.bff.house import House, bearer
from tests.bff.problems import must_be_problem
from wallet_passes.apple import service, store
from wallet_passes.apple.certificates import WARN_BEFORE


@pytest.fixture
async def unchanged(house: House) -> AsyncIterator[None]:
    before = await tables(house)
    yield
    assert await tables(house) == before


# -- storms -------------------------------------------------------------------------------------------------------------


class Time:
    """What an allowance goes by."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    time = Time()
    apple = house.services.outside.apple
    monkeypatch.setattr(apple, "_registering", Allowance(0.5, 30, time))
    monkeypatch.setattr(apple, "_logging", Allowance(1, 60, time))
    return time


async def test_a_storm_of_devices_is_bounded_and_passes(house: House, time: Time) -> None:
    mine, theirs = await card(house), await card(house)
    answers = [await register(house, mine, f"storm-{n}") for n in range(33)]
    assert [answer.status_code for answer in answers] == [201] * 30 + [429] * 3
    problem = answers[-1].json()
    assert (problem["code"], problem["retryable"]) == ("too_many", True)
    assert int(answers[-1].headers["retry-after"]) > 0
    assert await count(house, "pass_device WHERE member_id = $1", int(mine.serial)) == store.MAX_DEVICES
    assert await count(house, "pass_device WHERE device = 'storm-29'") == 1, "those that came last stay"
    assert await count(house, "pass_device WHERE device = 'storm-9'") == 0
    assert (await register(house, theirs, "other")).status_code == 201, "nobody else is kept waiting"
    time.now += 1.9
    assert (await register(house, mine, "storm-40")).status_code == 429
    time.now += 0.1
    assert [(await register(house, mine, f"storm-{n}")).status_code for n in (41, 42)] == [201, 429]
    time.now += 3600
    assert [(await register(house, mine, "again")).status_code for _ in range(31)] == [201] + [200] * 29 + [429]


async def test_one_device_holds_a_bounded_number(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_PASSES", 3)
    cards = [await card(house) for _ in range(5)]
    for one in cards:
        assert (await register(house, one, "hoarder")).status_code == 201
    assert (await register(house, cards[2], "hoarder")).status_code == 200
    listed = (await house.http.get(f"/apple/v1/devices/hoarder/registrations/{KIND}")).json()["serialNumbers"]
    assert sorted(listed) == sorted(one.serial for one in cards[2:])


async def test_those_who_put_each_other_out_do_not_wait_for_each_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass at its bound: devices come back with new push tokens while others take their places."""
    monkeypatch.setattr(house.services.outside.apple, "_registering", Allowance(1e6, 10**6, lambda: 0.0))
    mine = await card(house)
    for n in range(store.MAX_DEVICES):
        await register(house, mine, f"old-{n}")
    for turn in range(25):
        back = [register(house, mine, f"old-{n}", secrets.token_hex(32)) for n in range(4)]
        new = [register(house, mine, f"new-{turn}-{n}", secrets.token_hex(32)) for n in range(4)]
        answers = await asyncio.gather(*back, *new)
        assert {answer.status_code for answer in answers} <= {200, 201}
    assert await count(house, "pass_device WHERE member_id = $1", int(mine.serial)) == store.MAX_DEVICES


@pytest.mark.usefixtures("time")
async def test_a_storm_at_once_breaks_nothing(house: House) -> None:
    """New devices, known ones, ones that leave, on several passes and several devices at the same moment."""
    cards = [await card(house) for _ in range(4)]
    choice = random.Random(5)

    async def one(n: int) -> int:
        mine, device = cards[n % 4], f"crowd-{choice.randrange(9)}"
        if choice.random() < 0.2:
            return (await house.http.delete(mine.registration(device), headers=mine.authorization)).status_code
        return (await register(house, mine, device, secrets.token_hex(32))).status_code

    statuses = await asyncio.gather(*(one(n) for n in range(80)))
    assert set(statuses) <= {200, 201}
    assert await count(house, "pass_device WHERE device LIKE 'crowd-%'") <= 36


# -- logs ---------------------------------------------------------------------------------------------------------------

LOGS = ["", "{", "[]", "null", '{"logs": null}', '{"logs": "text"}', '{"logs": [1]}', '{"logs": [null]}', '{"log": []}',
        '{"logs": ["\\ud800"]}', '{"logs": [["a"]]}', "\xff\xfe", "[" * 50_000]  # fmt: skip


@pytest.mark.usefixtures("unchanged", "time")
@pytest.mark.parametrize("body", LOGS, ids=range(len(LOGS)))
async def test_a_log_that_is_none_is_refused(house: House, body: str) -> None:
    answer = await house.http.post("/apple/v1/log", content=body.encode("latin-1"))
    must_be_problem(answer, 400, "malformed_json")


@pytest.mark.usefixtures("unchanged", "time")
async def test_a_log_without_words_is_not_kept(house: House) -> None:
    for logs in ([], [""], [" \n\t"], ["\0\u0007\u2028"], [""] * 5_000):
        assert (await house.http.post("/apple/v1/log", json={"logs": logs})).status_code == 200


async def test_logs_are_bounded_in_size_number_and_rate(
    house: House, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_LOGS", 100)
    wide = "x\0\u202e\r\n\x1b[31m" + "y" * 9_000
    for kept in (20, 40, 60, 60, 60):  # twenty of each, and one a second once sixty are used up
        answer = await house.http.post("/apple/v1/log", json={"logs": [wide] * 25})
        assert (answer.status_code, answer.content) == (200, b""), "a phone is never told to come back with a complaint"
        assert await count(house, "pass_log WHERE message LIKE 'x%'") == kept
    time.now += 5
    await house.http.post("/apple/v1/log", json={"logs": ["later"] * 20})
    assert await count(house, "pass_log WHERE message = 'later'") == 5
    for _ in range(4):
        time.now += 3600
        await house.http.post("/apple/v1/log", json={"logs": ["much later"] * 20})
    assert await count(house, "pass_log") <= 100 + service.MAX_MESSAGES
    messages = [row[2] for row in (await tables(house))["pass_log"]]
    assert max(map(len, messages)) == service.MAX_MESSAGE
    assert all(message.isprintable() for message in messages)
    assert messages.count("much later") == 80


# -- the certificate's end ----------------------------------------------------------------------------------------------


async def test_an_expired_certificate_is_told_in_time_and_then_signs_nothing(own_house: House) -> None:
    house = own_house
    known = await card(house)
    end = house.services.outside.signer.expires_at

    async def warnings() -> list[str]:
        answer = await house.http.get("/health/ready")
        assert answer.status_code == 200, "it is no reason to send requests elsewhere"
        return list(answer.json()["warnings"])

    house.clock.now = end - WARN_BEFORE - timedelta(seconds=1)
    assert (WARN_BEFORE, await warnings()) == (timedelta(days=30), [])
    house.clock.now = end - WARN_BEFORE
    assert await warnings() == ["the pass certificate expires in 30 days: renew CHORUS_APPLE_PASS_CERTIFICATE"]
    house.clock.now = end - timedelta(seconds=1)
    assert "expires in 0 days" in (await warnings())[0]
    assert (await house.http.get(known.path, headers=known.authorization)).status_code == 200
    house.clock.now = end
    assert "has expired" in (await warnings())[0]
    answer = await house.http.get(known.path, headers=known.authorization)
    must_be_problem(answer, 503, "pass_certificate_expired")
    who = bearer(house.token("app", int(known.serial)))
    must_be_problem(await house.http.get("/app/v1/passes/apple", headers=who), 503, "pass_certificate_expired")
    # Whoever holds a pass loses nothing: it may register, ask and leave.
    assert (await register(house, known, DEVICE)).status_code == 201
    metrics = (await house.http.get("/metrics")).text
    line = next(
        line for line in metrics.splitlines() if line.startswith("chorus_certificate_expires_timestamp_seconds{")
    )
    assert 'certificate="apple_pass"' in line
    assert float(line.split()[-1]) == pytest.approx(end.timestamp())
