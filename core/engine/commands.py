"""Every command there is, and the decider of each: the engine only dispatches."""

from __future__ import annotations

from core.adjustments.decide import AdjustPoints, SettleDue, adjust, settle_due
from core.decision import Context, Decision, State
from core.earning import purchase, returns
from core.earning.purchase import RecordPurchase
from core.earning.returns import ReturnPurchase
from core.errors import ChorusError, NotFound
from core.members.decide import Enrol, LinkIdentifier, enrol, link
from core.members.identifiers import Identifier
from core.rewards.decide import CaptureHold, HoldReward, VoidHold, capture, hold, void

Command = (
    Enrol
    | LinkIdentifier
    | RecordPurchase
    | ReturnPurchase
    | HoldReward
    | CaptureHold
    | VoidHold
    | AdjustPoints
    | SettleDue
)


def decide(state: State, command: Command, context: Context) -> Decision | ChorusError:
    """The decision, or the refusal as a value. Pure: the same arguments give the same answer."""
    try:
        return _decide(state, command, context)
    except ChorusError as refusal:
        return refusal


def _decide(state: State, command: Command, context: Context) -> Decision:
    if isinstance(command, Enrol):
        return enrol(state, command, context)
    if not state.version:
        raise NotFound("no such member", code="unknown_member")
    match command:
        case RecordPurchase():
            return purchase.record(state, command, context)
        case ReturnPurchase():
            return returns.record(state, command, context)
        case HoldReward():
            return hold(state, command, context)
        case CaptureHold():
            return capture(state, command, context)
        case VoidHold():
            return void(state, command, context)
        case AdjustPoints():
            return adjust(state, command, context)
        case LinkIdentifier():
            return link(state, command, context)
        case SettleDue():
            return settle_due(state, command, context)


def wanted(command: Command) -> tuple[Identifier, ...]:
    """The identifiers a command would give to its member."""
    match command:
        case Enrol():
            return (Identifier("code", command.code), *command.identifiers)
        case LinkIdentifier():
            return (command.identifier,)
        case _:
            return ()


def only_credits(command: Command) -> bool:
    """Whether a command never takes points, so that it may be decided on a thin account."""
    match command:
        case RecordPurchase() | LinkIdentifier():
            return True
        case AdjustPoints():
            return command.points > 0
        case _:
            return False
