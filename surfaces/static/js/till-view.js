/** What the till shows, as one value for `bind.js`: a pure function of the basket, the member, the quote and what was told. */

import { faultsOf, nextOf, noteOf, paidOf, pendingOf, reasonsOf, vouchersOf } from "./quote-view.js";

/**
 * @typedef {object} TillState
 * @property {import("./basket.js").Basket} basket
 * @property {any} member   the pos view, or null
 * @property {any} quote    the newest answer, or null
 * @property {boolean} asking the quote is not yet this basket's
 * @property {any} refusal  of the last quote or sale
 * @property {number} picked the id of the line that + and − change
 * @property {string} told
 * @property {boolean} toldBad
 * @property {boolean} undo
 * @property {string} asOf  how old the member's numbers are, where the connection is lost
 * @property {any} last     the last sale
 * @property {boolean} waiting a sale has been sent and not been answered
 * @property {boolean} lost the last question was not answered
 * @property {Map<string, any>} offered vouchers by code, as quotes told of them
 */

/** @param {TillState} state @param {import("./quote-view.js").QuoteTools} tools */
export function shown(state, tools) {
  const { config, words, money } = tools;
  const { basket, member, quote } = state;
  const faults = faultsOf(state.refusal);
  return {
    brand: config.brand,
    lines: basket.items.map((item, i) => ({
      id: item.id,
      name: item.name,
      quantity: item.quantity,
      /* Always something: a name that moved up for it would move under the eye at every second piece. */
      note: noteOf(item, tools) || words("each", { price: money.money(item.price) }),
      amount_text: money.plain(item.price * item.quantity),
      picked: item.id === state.picked && basket.items.length > 1,
      wrong: faults.lines.get(i) ?? "",
      less_label: words("fewer", { name: item.name }),
      more_label: words("one_more", { name: item.name }),
    })),
    total_text: money.money(basket.total),
    paid: basket.empty ? [] : paidOf(quote, tools),
    /* The money of the last sale stays until the next one begins: it is being counted. */
    due_label: words(basket.empty && state.last ? "last" : "due"),
    due_text: basket.empty
      ? (state.last?.due ?? money.money(0))
      : quote
        ? quote.due_text
        : money.money(basket.total),
    stale: state.asking,
    told: state.told,
    told_bad: state.toldBad,
    undo: state.undo,
    why_not: whyNot(state, words),
    member,
    benefits: member ? member.tier.benefits.map((/** @type {string} */ text) => ({ id: text, text })) : [],
    as_of: member ? state.asOf : "",
    soon: member?.warning?.level === "soon",
    will: quote && !basket.empty ? willOf(quote, member, tools) : null,
    vouchers: member ? vouchersOf(basket, quote, state.offered, knownOf(member), tools) : [],
    holds: member ? holdsOf(member, tools) : [],
    points_note: basket.empty ? words("points_later") : mostOf(quote, words),
    points_wrong: faults.points,
    last: member || !basket.empty ? null : state.last,
  };
}

/** @param {any} quote @param {any} member @param {import("./quote-view.js").QuoteTools} tools */
const willOf = (quote, member, tools) => ({
  title: tools.words(member ? "adds" : "would_add"),
  points_text: tools.format.signed(quote.earned) || "0",
  awards: reasonsOf(quote, tools),
  next: nextOf(quote, tools),
  pending: pendingOf(quote, tools),
});

/** @param {any} quote @param {any} words */
const mostOf = (quote, words) =>
  quote?.most_text ? words("up_to", { most: quote.most_text }) : words("points_none");

/** @param {any} member */
const knownOf = (member) => new Map((member.vouchers ?? []).map((/** @type {any} */ one) => [one.code, one]));

/**
 * Points that are held for a basket are no thing to hand over.
 * @param {any} member @param {import("./quote-view.js").QuoteTools} tools
 */
const holdsOf = (member, { config, words }) =>
  member.holds
    .filter((/** @type {any} */ hold) => hold.reward)
    .map((/** @type {any} */ hold) => ({
      id: hold.id,
      name: hold.name,
      stub: hold.stub,
      here: !hold.store || hold.store === config.store,
      note: hold.note,
      due_text: hold.due_text,
      action: words(hold.due_text ? "hold_collect_paid" : "hold_collect"),
      label: words("hold_label", { name: hold.name }),
    }));

/** @param {TillState} state @param {any} words */
function whyNot({ basket, member, waiting, refusal }, words) {
  if (waiting) return words("why_waiting");
  if (basket.empty) return words("why_empty");
  if (!member) return words("why_nobody");
  return refusal && !refusal.retryable ? words("why_refused") : "";
}
