"""What a draw's winner gets: points, or a voucher; once for each ticket, by the key it is sent under."""

from __future__ import annotations

import msgspec

from core.decision import Context, Decision, Entry, State, active, change_of, opening
from core.errors import Rejected
from core.ledger import movements
from core.ledger.account import ISSUED
from core.ledger.expiry import expiry_of
from core.members.identifiers import Identifier
from core.points import MAX_POINTS, POINTS
from core.rewards import offer
from core.rewards.vouchers import issued
from core.snapshot import Award


class AwardPrize(msgspec.Struct, frozen=True, tag="prize"):
    """`points`, or a voucher of `reward` with a fresh `code`."""

    draw: str
    ticket: int
    points: int = 0
    reward: str = ""
    code: str = ""


def award(state: State, command: AwardPrize, context: Context) -> Decision:
    """Rejects `points_out_of_range`; raises `NotFound` for a reward that is gone."""
    opened = opening(state, context)
    holdings, entries = opened.holdings, opened.entries
    details: dict[str, object] = {"reason": command.draw, "ticket": command.ticket}
    identifiers: tuple[Identifier, ...] = ()
    if command.points:
        account = holdings.account
        if account.available + account.held + account.waiting + command.points > MAX_POINTS:
            raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
        awards = (Award("prize", command.draw, command.points),)
        account, postings, _ = movements.credit(
            account,
            command.points,
            ISSUED,
            origin=state.version + 1,
            earned_at=context.now,
            expires_at=expiry_of(context.now, context.programme),
        )
        holdings = active(holdings.with_account(POINTS, account), POINTS, context.now, context)
        entry = Entry(kind="earn", occurred_at=context.now, postings=postings, awards=awards)
        entries = (*entries, entry)
        details["awards"] = awards
    else:
        reward = offer.reward_of(command.reward, context)
        voucher = issued(state, command.code, reward, context, (), stocked=False, granted=True)
        holdings, identifiers = holdings.with_voucher(voucher), (Identifier("voucher", voucher.code),)
        details |= {
            "reward": reward.id,
            "voucher": voucher.no,
            "code": voucher.code,
            "until": voucher.expires_at,
        }
    return Decision(
        change=change_of(state, context, "grant", holdings, opened, **details),
        holdings=holdings,
        entries=entries,
        hold_ends=opened.hold_ends,
        identifiers=identifiers,
        tallies=opened.tallies,
    )
