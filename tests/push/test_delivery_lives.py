"""Deliveries over random lives, by the real senders on the real table, against a naive model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connect
from push import dispatch
from tests.databases import Database
from tests.push.delivery_machine import MAX_ATTEMPTS, DeliveryMachine

LIVES = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # not shrunk: each try is dozens of transactions
    max_examples=25,
    stateful_step_count=50,
)


@pytest.fixture
def one_loop(database: Database) -> Iterator[tuple[asyncio.Runner, AsyncEngine]]:
    with asyncio.Runner() as runner:
        pool = connect(database.url, pool_size=4)
        yield runner, pool
        runner.run(pool.dispose())


def test_each_ends_once_and_nobody_is_told_twice_or_backwards(
    one_loop: tuple[asyncio.Runner, AsyncEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MAX_ATTEMPTS", MAX_ATTEMPTS)

    class Lives(DeliveryMachine):
        runner, pool = one_loop

    run_state_machine_as_test(Lives, settings=LIVES)
