"""Why points were given: awards add up to what was issued, and each names something that its programme has."""

from __future__ import annotations

import msgspec

from core.points import POINTS
from core.snapshot import Award, Change
from core.verify.book import Book
from core.verify.rows import EntryRow, PostingRow
from core.verify.rules import Rules

_AWARDS = msgspec.json.Decoder(tuple[Award, ...])


def awards(book: Book, change: Change) -> None:
    """All that a version earned. One of the release before had no awards: it earned in base and bonus."""
    if not change.awards and all(entry.kind != "earn" for entry in book.entries.get(change.version, ())):
        return
    earned = list(book.of(change.version, "earn"))
    currencies = []
    for entry, postings in earned:
        if postings:
            currencies.append(postings[0].currency)
            _entry(book, change, entry, postings)
    for currency in sorted({award.currency for award in change.awards}.difference(currencies)):
        book.say("award", f"version {change.version} has awards in {currency}, and no entry that earns it")
    if len(set(currencies)) < len(currencies):
        book.say("award", f"version {change.version} earns one currency in two entries")
    rules = book.rules(change)
    for award in change.awards:
        if (fault := _fault(award, rules)) is not None:
            book.say("award", f"version {change.version}: the award of {award.rule} {award.id!r} {fault}")


def _entry(book: Book, change: Change, entry: EntryRow, postings: list[PostingRow]) -> None:
    where, currency = f"entry {entry.version}/{entry.no}", postings[0].currency
    issued = -sum([posting.amount for posting in postings if posting.account == "issued"])
    if change.kind == "purchase" and not change.period and entry.awards is None:
        earned = change.base + change.bonus
        book.same("purchase", f"purchase {change.version}: the points it says it earned", earned, issued)
        return
    try:
        given = _AWARDS.decode(entry.awards or "[]")
    except msgspec.DecodeError as error:
        book.say("award", f"{where}: awards cannot be read: {error}")
        return
    book.same("award", f"{where}: what its awards come to", sum([award.points for award in given]), issued)
    said = tuple(award for award in change.awards if award.currency == currency)
    if given != said:
        book.say("award", f"{where} has awards {_words(given)}, its version says {_words(said)}")


def _fault(award: Award, rules: Rules) -> str | None:
    """What is wrong with an award by itself; None if nothing."""
    if award.points <= 0:
        return f"gives {award.points} points"
    fixed, qualifies, currencies = award.points, False, {POINTS}
    match award.rule:
        case "base":
            known, qualifies = not award.id, award.currency == POINTS
            currencies |= {one.code for one in rules.currencies}
        case "rule":
            known, qualifies = award.id in rules.rule_ids, True
        case "tier":
            known = award.id in rules.tier_keys
        case "action":
            action = rules.earn.actions.get(award.id)
            known, fixed = action is not None, action.points if action else fixed
        case "prize":
            known = award.id in rules.reward and rules.reward[award.id].kind == "draw"
        case "campaign":
            campaign = rules.campaign.get(award.id)
            known = campaign is not None
            if campaign is not None:
                fixed, qualifies = campaign.bonus or fixed, campaign.qualifies
                currencies = {campaign.currency}
    if not known:
        return "is of nothing that its programme has"
    if award.points != fixed:
        return f"gives {award.points} points, where its programme gives {fixed}"
    if award.qualifies != qualifies or award.currency not in currencies:
        return f"is of {award.currency} that {'count' if award.qualifies else 'do not count'} for a tier"
    return None


def _words(given: tuple[Award, ...]) -> str:
    return ", ".join(f"{award.rule} {award.id} {award.points}".replace("  ", " ") for award in given) or "none"
