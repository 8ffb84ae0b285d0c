"""Chorus against a second ledger, over random lives: the deciders on many, the whole engine and database on some."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from core.embedded import Endpoints
from tests.core.drivers import EngineDriver, PureDriver
from tests.core.machine import LedgerMachine

QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


class PureLife(LedgerMachine):
    def __init__(self) -> None:
        super().__init__(PureDriver())


def test_the_deciders_lead_the_same_life_as_the_naive_ledger() -> None:
    run_state_machine_as_test(PureLife, settings=settings(QUIET, max_examples=120, stateful_step_count=40))


@pytest.fixture
def engine_driver(endpoints: Endpoints, template: str) -> Iterator[EngineDriver]:
    with asyncio.Runner() as runner:
        yield EngineDriver(runner, endpoints, template)


def test_the_engine_leads_the_same_life_as_the_naive_ledger(engine_driver: EngineDriver) -> None:
    class EngineLife(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(engine_driver)

    # Not shrunk: each try is some thirty transactions, and the deciders' machine shrinks what they share.
    lives = settings(QUIET, max_examples=15, stateful_step_count=30, phases=[Phase.generate])
    run_state_machine_as_test(EngineLife, settings=lives)
    assert [finding for report in engine_driver.reports for finding in report.findings] == []
    assert all(report.clean for report in engine_driver.reports)
    assert [report.members for report in engine_driver.reports] == engine_driver.enrolled
