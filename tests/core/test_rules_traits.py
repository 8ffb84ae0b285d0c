"""Traits as a table: the segments and the birthday that campaigns look at."""

from __future__ import annotations

import pytest

from core.decision import Context, Decision, State
from core.engine.commands import decide
from core.errors import InvalidInput
from core.holdings import Holdings
from core.members.decide import Enrol, SetTraits
from core.programme.validation import parse
from tests.conftest import START
from tests.core.life import Life
from tests.core.naive import Campaign, Rules
from tests.core.programmes import published, written

# One after another -> whether the last changed anything, segments, birthday.
TRAITS = [
    ([SetTraits()], False, (), ""),
    ([SetTraits(("vip",))], True, ("vip",), ""),
    ([SetTraits(("vip",)), SetTraits(("vip",))], False, ("vip",), ""),
    ([SetTraits(("vip", "new")), SetTraits(("new", "vip", "new"))], False, ("new", "vip"), ""),
    ([SetTraits(("vip",)), SetTraits(("new",))], True, ("new",), ""),  # all that the member is in from now on
    ([SetTraits(("vip",)), SetTraits(())], True, (), ""),
    ([SetTraits(("vip",)), SetTraits(birthday="02-29")], True, ("vip",), "02-29"),  # None leaves it
    ([SetTraits(birthday="02-29"), SetTraits(birthday="")], True, (), ""),
    ([SetTraits(birthday="12-31"), SetTraits(("vip",), "12-31")], True, ("vip",), "12-31"),
]


@pytest.mark.parametrize(("commands", "changed", "segments", "birthday"), TRAITS)
def test_traits_are_set_as_a_whole(
    commands: list[SetTraits], changed: bool, segments: tuple[str, ...], birthday: str
) -> None:
    life = _life()
    for command in commands[:-1]:
        life.do(command)
    change = life.try_to(commands[-1])
    assert (change is not None) == changed
    if change is not None:
        assert (change.kind, change.points) == ("traits", 0)
    progress = life.state.holdings.progress
    assert (progress.segments, progress.birthday) == (segments, birthday)


# What is wrong with them -> where.
WRONG = [
    (SetTraits(("vip", "gone")), ["/segments/1"]),
    (SetTraits(("", "vip", "x")), ["/segments/0", "/segments/2"]),
    *(
        (SetTraits(birthday=day), ["/birthday"])
        for day in ("02-30", "13-01", "00-10", "2-9", "0229", "1990-02-28", "٠٢-٢٩")
    ),
]


@pytest.mark.parametrize(("command", "pointers"), WRONG)
def test_wrong_traits_are_refused_where_they_are_wrong(command: SetTraits, pointers: list[str]) -> None:
    refused = _life().refusal(command)
    assert isinstance(refused, InvalidInput)
    assert [error.pointer for error in refused.errors] == pointers


@pytest.mark.parametrize(("birthday", "accepted"), [("", True), ("02-29", True), ("02-30", False)])
def test_a_birthday_may_be_said_at_enrolment(birthday: str, accepted: bool) -> None:
    context = Context(now=START, published=published(parse(written(Rules()))), source="test")
    enrol = Enrol("079927398713", (), "en", "Member 1", birthday)
    decision = decide(State(1, 0, Holdings()), enrol, context)
    if accepted:
        assert isinstance(decision, Decision)
        assert decision.holdings.progress.birthday == birthday
    else:
        assert isinstance(decision, InvalidInput)


def test_a_segment_counts_from_when_it_is_told_and_no_longer_than_it_is() -> None:
    life = _life(Campaign("c", multiplier="2", segments=("vip", "new")))
    assert life.buy(1_000).points == 10
    life.do(SetTraits(("new",)))
    assert life.buy(1_000).points == 20
    life.do(SetTraits(()))
    assert life.buy(1_000).points == 10


def _life(*campaigns: Campaign) -> Life:
    return Life(parse(written(Rules(segments=("vip", "new"), campaigns=list(campaigns)))))
