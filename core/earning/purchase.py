"""A purchase: checked against the programme, paid in part with points and vouchers, earned once, dated by when it
occurred.

A quote is this decision without its effect (`core.quote`): what a basket would earn, before it is paid.
"""

from __future__ import annotations

import msgspec

from core.decision import Context, Decision, Entry, State, active, change_of, counted, opening
from core.earning.basket import Basket, earning_of
from core.earning.earn import Earned, earn
from core.earning.late import expire_late, with_lapsed
from core.earning.slip import RecordPurchase, check
from core.earning.tender import Paid, pay
from core.errors import Rejected
from core.holdings import Holdings
from core.ledger import movements
from core.ledger.account import ISSUED, Pending
from core.ledger.expiry import expiry_of, vesting_of
from core.points import MAX_POINTS, POINTS
from core.programme.document import Programme
from core.snapshot import Award, Purchase
from core.tiers.ladder import period_of, tier_of


def record(state: State, command: RecordPurchase, context: Context) -> Decision:
    """Pay what points and vouchers pay, and earn on the rest. Points of an event so late that they are past their date
    are entered and expire in one command. Rejects `points_out_of_range`, and what `tender.pay` rejects."""
    check(command, context)
    programme, version = context.programme, state.version + 1
    opened = opening(state, context)
    paid = pay(opened.holdings, command, context)
    basket = basket_of(command, paid, context)
    tier, _ = tier_of(opened.holdings.account.qualifying, programme, context.now)
    earned = earn(basket, tier, opened.holdings.progress, context.tallies, programme)
    holdings, entries = credited(paid.holdings, earned, basket, context, origin=version)
    measured = measure(basket, earned, command.total, programme)
    period = period_of(command.occurred_at, programme)
    holdings = holdings.with_account(POINTS, movements.qualify(holdings.account, period, measured))
    holdings, tallies = counted(_seen(holdings, version), earned.uses, context)
    for currency in {award.currency for award in earned.awards} | ({POINTS} if paid.points else set()):
        holdings = active(holdings, currency, min(command.occurred_at, context.now), context)
    holdings, lapsed = expire_late(holdings, version, context)
    purchase = _purchase(state, command, context, earned, paid, period=period, measured=measured, holdings=holdings)
    skus = {line.sku for line in command.lines}
    change = change_of(
        state,
        context,
        "purchase",
        holdings,
        opened,
        occurred_at=command.occurred_at,
        sku=skus.pop() if len(skus) == 1 else "",
        quantity=sum([line.quantity for line in command.lines]),
        amount=command.total,
        base=earned.base,
        bonus=earned.bonus,
        bonus_tier=tier.key if earned.bonus else "",
        awards=earned.awards,
        qualified=measured,
        period=period,
        purchase=version,
        hold=command.hold,
        vests_at=next((part.vests_at for part in holdings.account.pending if part.no == version), None),
        paid_points=paid.points,
        paid_amount=paid.money,
    )
    return Decision(
        change=with_lapsed(change, lapsed, holdings),
        holdings=holdings,
        entries=(*opened.entries, *paid.entries, *entries, *lapsed),
        purchase=purchase,
        hold_ends=(*opened.hold_ends, *paid.hold_ends),
        tallies=(*opened.tallies, *paid.tallies, *tallies),
    )


def basket_of(command: RecordPurchase, paid: Paid, context: Context) -> Basket:
    """What of the purchase earns: all of it, unless points paid for a part and the programme does not reward that."""
    away = 0 if context.programme.earn.on_points_part else paid.money
    earning = earning_of(command.lines, away)
    return Basket(command.lines, earning, command.channel, context.place, command.occurred_at)


def credited(
    holdings: Holdings, earned: Earned, basket: Basket, context: Context, *, origin: int
) -> tuple[Holdings, list[Entry]]:
    """Enter what was earned, an entry a currency: good at once, or pending where the channel has a return window.
    Rejects `points_out_of_range`."""
    programme, entries = context.programme, []
    days = programme.earn.channels[basket.channel].vest_days
    vests_at = vesting_of(basket.occurred_at, days, programme) if days else context.now
    for currency in dict.fromkeys([award.currency for award in earned.awards]):
        awards = tuple([award for award in earned.awards if award.currency == currency])
        points, account = sum([award.points for award in awards]), holdings.of(currency)
        if account.available + account.held + account.waiting + points > MAX_POINTS:
            raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
        until = expiry_of(basket.occurred_at, programme, currency)
        if vests_at > context.now:
            part = Pending(origin, basket.occurred_at, vests_at, until, points, points)
            account, postings = movements.wait(account, part, ISSUED)
        else:
            account, postings, _ = movements.credit(
                account, points, ISSUED, origin=origin, earned_at=basket.occurred_at, expires_at=until, source=origin
            )
        holdings = holdings.with_account(currency, account)
        entries.append(
            Entry(kind="earn", occurred_at=basket.occurred_at, postings=postings, currency=currency, awards=awards)
        )
    return holdings, entries


def measure(basket: Basket, earned: Earned, total: int, programme: Programme) -> int:
    """What a purchase adds to the qualifying figure, in the programme's measure."""
    match programme.qualification.measure:
        case "points":
            return earned.qualifying
        case "spend":
            return basket.money
        case "visits":
            return int(total >= programme.qualification.min_visit)


def _seen(holdings: Holdings, version: int) -> Holdings:
    """The member has bought."""
    if holdings.progress.first_purchase:
        return holdings
    progress = msgspec.structs.replace(holdings.progress, first_purchase=version)
    return holdings.with_progress(progress)


def _purchase(
    state: State,
    command: RecordPurchase,
    context: Context,
    earned: Earned,
    paid: Paid,
    *,
    period: int,
    measured: int,
    holdings: Holdings,
) -> Purchase:
    version = state.version + 1
    lot = next((lot.no for lot in holdings.account.lots if lot.origin == version and lot.source == version), 0)
    return Purchase(
        member=state.member,
        version=version,
        external_id=command.external_id,
        occurred_at=command.occurred_at,
        recorded_at=context.now,
        place=context.place,
        till=context.till,
        channel=command.channel,
        currency=command.currency,
        total=command.total,
        lines=command.lines,
        programme=context.published.revision,
        base=earned.base,
        bonus=earned.bonus,
        bonus_tier=_tier_of(earned.awards),
        period=period,
        lot=lot,
        available=holdings.account.available,
        awards=earned.awards,
        measure=context.programme.qualification.measure,
        measured=measured,
        paid_points=paid.points,
        paid_from=paid.takings,
        paid_amount=paid.amount,
        vouchers=paid.vouchers,
    )


def _tier_of(awards: tuple[Award, ...]) -> str:
    return next((award.id for award in awards if award.rule == "tier"), "")
