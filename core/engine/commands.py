"""Every command there is, and the decider of each: the engine only dispatches.

Beside it stands what the engine must fetch before it can decide, all of it known from the command, the programme and
the member: identifiers wanted, purchases and vouchers named, shared counts asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from core import limits
from core.adjustments.decide import (
    AdjustPoints,
    ExtendPoints,
    ReinstatePoints,
    SettleDue,
    adjust,
    extend,
    reinstate,
    settle_due,
)
from core.decision import Context, Decision, State
from core.earning import actions, purchase, returns, slip
from core.earning.actions import RecordAction
from core.earning.basket import Basket
from core.earning.returns import ReturnPurchase
from core.earning.slate import candidates
from core.earning.slip import RecordPurchase
from core.errors import ChorusError, NotFound
from core.limits import Use
from core.members.decide import Enrol, LinkIdentifier, SetTraits, enrol, link, set_traits
from core.members.identifiers import Identifier
from core.members.merge import MergeMembers, merge
from core.members.reference import Way, along
from core.programme.document import Programme
from core.rewards import decide as holds
from core.rewards import vouchers
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.prize import AwardPrize, award
from core.rewards.vouchers import CancelVoucher, ClaimReward, GrantVoucher, UnuseVoucher, UseVoucher

Command = (
    Enrol
    | LinkIdentifier
    | SetTraits
    | RecordPurchase
    | ReturnPurchase
    | RecordAction
    | HoldReward
    | HoldPoints
    | CaptureHold
    | VoidHold
    | ClaimReward
    | GrantVoucher
    | UseVoucher
    | UnuseVoucher
    | CancelVoucher
    | AwardPrize
    | AdjustPoints
    | ReinstatePoints
    | ExtendPoints
    | SettleDue
    | MergeMembers
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
        case RecordAction():
            return actions.record(state, command, context)
        case HoldReward():
            return holds.hold(state, command, context)
        case HoldPoints():
            return holds.hold_points(state, command, context)
        case CaptureHold():
            return holds.capture(state, command, context)
        case VoidHold():
            return holds.void(state, command, context)
        case ClaimReward():
            return vouchers.claim(state, command, context)
        case GrantVoucher():
            return vouchers.grant(state, command, context)
        case UseVoucher():
            return vouchers.use(state, command, context)
        case UnuseVoucher():
            return vouchers.unuse(state, command, context)
        case CancelVoucher():
            return vouchers.cancel(state, command, context)
        case AwardPrize():
            return award(state, command, context)
        case AdjustPoints():
            return adjust(state, command, context)
        case ReinstatePoints():
            return reinstate(state, command, context)
        case ExtendPoints():
            return extend(state, command, context)
        case LinkIdentifier():
            return link(state, command, context)
        case SetTraits():
            return set_traits(state, command, context)
        case SettleDue():
            return settle_due(state, command, context)
        case MergeMembers():
            return merge(state, command, context)


def wanted(command: Command) -> tuple[Identifier, ...]:
    """The identifiers a command would give to its member."""
    match command:
        case Enrol():
            return (Identifier("code", command.code), *command.identifiers)
        case LinkIdentifier():
            return (command.identifier,)
        case ClaimReward() | GrantVoucher() | AwardPrize() if command.code:
            return (Identifier("voucher", command.code),)
        case _:
            return ()


def second(command: Command) -> Identifier | int | None:
    """The second member that a command touches."""
    return command.other if isinstance(command, MergeMembers) else None


def as_survivor(command: Command, way: Way) -> Command:
    """A command for the first member of `way`, as it is for the one that lives on."""
    match command:
        case ReturnPurchase():
            return msgspec.structs.replace(command, purchase=along(way, command.purchase))
        case CaptureHold() | VoidHold():
            return msgspec.structs.replace(command, hold=along(way, command.hold))
        case RecordPurchase():
            return msgspec.structs.replace(command, hold=along(way, command.hold))
        case CancelVoucher():
            return msgspec.structs.replace(command, voucher=along(way, command.voucher))
        case _:
            return command


def only_credits(command: Command) -> bool:
    """Whether a command never takes points and looks at no voucher, so that it may be decided on thin accounts."""
    match command:
        case RecordPurchase():
            return command.only_credits
        case LinkIdentifier() | RecordAction() | SetTraits():
            return True
        case AdjustPoints():
            return command.points > 0
        case _:
            return False


def voucher_codes(command: Command) -> tuple[str, ...]:
    """Vouchers that a command names by code, which it may have to see used up."""
    match command:
        case RecordPurchase():
            return command.vouchers
        case UseVoucher() | UnuseVoucher():
            return (command.code,)
        case _:
            return ()


def _conceivable(occurred_at: datetime, now: datetime) -> bool:
    """Whether the calendar has a local day for it. What lies further off is refused."""
    return now - slip.LONGEST_AGO <= occurred_at <= now + timedelta(days=2)


def shared(command: Command, programme: Programme, store: str, state: State | None, now: datetime) -> Iterator[str]:
    """The shared counts a command may ask for or move, by key. `state` is the member's, where there is one."""
    if isinstance(command, RecordPurchase | RecordAction) and not _conceivable(command.occurred_at, now):
        return
    match command:
        case RecordPurchase() if programme.campaigns and command.channel in programme.earn.channels:
            local = command.occurred_at.astimezone(programme.tzinfo)
            basket = Basket(command.lines, (), command.channel, store, command.occurred_at)
            for campaign, _ in candidates(basket, local, programme, shared=True):
                yield from limits.shared_keys(Use(limits.campaign(campaign.id), local.date(), campaign.limits))
        case RecordAction() if action := programme.earn.actions.get(command.kind):
            day = command.occurred_at.astimezone(programme.tzinfo).date()
            yield from limits.shared_keys(Use(limits.action(command.kind), day, action.limits))
        case HoldReward() | ClaimReward() | GrantVoucher() if reward := programme.rewards_by_id.get(command.reward):
            if reward.stock is not None:
                yield limits.reward(reward.id)
            if reward.kind == "draw":
                yield limits.tickets(reward.id)
        case CancelVoucher() if state:
            for voucher in state.holdings.vouchers or ():
                if voucher.no == command.voucher and voucher.stocked:
                    yield limits.reward(voucher.reward)
        case _:
            pass
    if state is not None:
        for _, account in state.holdings.accounts():
            for held in account.holds:
                if held.stocked and (held.expires_at <= now or isinstance(command, VoidHold)):
                    yield limits.reward(held.reward)
