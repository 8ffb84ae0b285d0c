/** What a quote says, as rows for `bind.js`: the same on the till, in the shop and on the kiosk. */

/** @typedef {import("./basket.js").Basket} Basket */
/** @typedef {{config: any, words: any, format: any, money: ReturnType<import("./basket.js").moneyFormat>,
 *   worth: ReturnType<import("./basket.js").worthOf>}} QuoteTools */

/** Why so many points, a row a reason. @param {any} quote @param {QuoteTools} tools */
export const reasonsOf = (quote, { format, config }) =>
  quote.awards.map((/** @type {any} */ award, /** @type {number} */ i) => {
    const other = config.units[award.currency];
    const unit = other ? ` ${award.points === 1 ? other.one : other.other}` : "";
    const points_text = `${format.signed(award.points)}${unit}`;
    return { id: `${award.rule} ${award.id} ${award.currency} ${i}`, text: award.text, points_text };
  });

/** How far the next tier is after it. @param {any} quote @param {QuoteTools} tools */
export const nextOf = (quote, { words }) =>
  quote.reaches ? words("reaches", { tier: quote.reaches.name }) : quote.to_next_text;

/** When points that are not good at once will be. @param {any} quote @param {QuoteTools} tools */
export const pendingOf = (quote, { words, format }) =>
  quote.pending && quote.vests_at ? words("pending", { date: format.date(new Date(quote.vests_at)) }) : "";

/** `129 points` @param {number} n @param {QuoteTools} tools */
export const pointsText = (n, { words, format, config }) =>
  words("points_text", { n: format.number(n), unit: n === 1 ? config.points.one : config.points.other });

/**
 * Vouchers on the basket and those that could be, in one order: what was pressed stays where it was.
 * @param {Basket} basket @param {any} quote
 * @param {Map<string, any>} offered by code, as quotes told of them: one on the basket is no longer among those on offer
 * @param {Map<string, any>} known by code, as the member's view has them
 * @param {QuoteTools} tools
 */
export function vouchersOf(basket, quote, offered, known, { words }) {
  const good = (quote?.vouchers ?? []).map((/** @type {any} */ one) => one.code);
  const used = new Set(basket.vouchers);
  const codes = new Set([...known.keys(), ...offered.keys(), ...good, ...basket.vouchers]);
  return [...codes]
    .filter((code) => used.has(code) || good.includes(code) || ((basket.empty || !quote) && known.has(code)))
    .map((code) => {
      const on = used.has(code);
      const told = { ...known.get(code), ...offered.get(code) };
      const name = told.name ?? words("voucher");
      return {
        id: code,
        code,
        name,
        stub: told.stub ?? "−",
        note: on
          ? words("voucher_on", { code: grouped(code) })
          : (told.note ?? words("voucher_off", { code: grouped(code), amount: told.amount_text ?? "" })),
        on,
        pressed: String(on),
        action: words(on ? "voucher_take_off" : "voucher_put_on"),
        label: words(on ? "voucher_take_off_label" : "voucher_put_on_label", { name }),
      };
    });
}

/**
 * What points and vouchers pay, by a quote that says what is left to pay of the basket it was made for.
 * @param {any} quote @param {QuoteTools} tools
 */
export function paidOf(quote, tools) {
  if (!quote) return [];
  const { total, points, vouchers } = quote.of;
  const byPoints = Math.round(tools.worth.amount(points));
  const byVouchers = total - quote.due - byPoints;
  return [
    { id: "vouchers", text: tools.words.count("paid_vouchers", vouchers.length), amount: byVouchers },
    { id: "points", text: pointsText(points, tools), amount: byPoints },
  ]
    .filter(({ amount }) => amount > 0)
    .map((row) => ({ ...row, amount_text: tools.money.money(-row.amount) }));
}

/** Beside a line's name: the member's price, or that of one piece. @param {any} item @param {QuoteTools} tools */
export function noteOf(item, { words, money }) {
  if (item.price < item.amount)
    return words("member_price", { price: money.money(item.price), before: money.money(item.amount) });
  return item.quantity > 1 ? words("each", { price: money.money(item.price) }) : "";
}

/** Each fault at what it is about. @param {any} refusal */
export function faultsOf(refusal) {
  const lines = new Map();
  let points = "";
  for (const { pointer, detail } of refusal?.errors ?? []) {
    const line = /^\/lines\/(\d+)/.exec(pointer);
    if (line) lines.set(Number(line[1]), detail);
    else if (pointer === "/points") points = detail;
  }
  return { lines, points };
}

/** A problem in the reader's words. @param {any} refusal @param {QuoteTools} tools */
export function explained(refusal, { words }) {
  const key = `refused_${refusal.code}`;
  if (words.has(key)) return words(key);
  const detail = refusal.errors?.[0]?.detail || refusal.detail || refusal.code;
  return words("refused_other", { detail: detail.replace(/[.。]$/, "") });
}

/**
 * What was left out of a basket that would have been refused; empty where nothing was.
 * @param {import("./chorus-quote.js").LeftOut} leftOut @param {any} quoted @param {QuoteTools} tools
 */
export function leftOutText(leftOut, quoted, { words, format }) {
  if (leftOut.vouchers.length) {
    const [{ code, detail }] = leftOut.vouchers;
    return words("voucher_gone", { code: grouped(code), detail: detail.replace(/[.。]$/, "") });
  }
  return leftOut.points === null ? "" : words("lowered", { n: format.number(quoted.points) });
}

/** @param {string} code */
export const grouped = (code) => code.replace(/(.{4})(?=.)/g, "$1 ");
