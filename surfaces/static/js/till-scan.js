/**
 * What was scanned or typed at the till. A code says by its own shape what it is, so one field is enough:
 *
 *     CD-JAZZ, jazz     an article, by its number or by how its name begins
 *     3*CD-JAZZ         three of them
 *     12.90             an article that has no number, at this price
 *     0714 3298 1174    a member, by code (the last digit checks the others); also by email, +phone or card
 *     7Q2MNB40XZ31      a voucher
 */

const CODE = /^\d{12}$/;
/** Crockford's base 32, as vouchers are written; one without any letter would be a member's code. */
const VOUCHER = /^(?=.*[A-Z])[0-9A-HJKMNP-TV-Z]{12}$/;
const CARD = /^[A-Z0-9]{4,40}$/;
const TIMES = /^(\d{1,3})\s*[*x×]\s*(.+)$/i;
const AMOUNT = /^\d{1,6}[.,]\d{1,3}$/;

/** @typedef {import("./basket.js").Article} Article */
/**
 * @typedef {{kind: "article", article: Article, quantity: number} | {kind: "amount", amount: number, quantity: number}
 *   | {kind: "member", identifier: {kind: string, value: string}} | {kind: "voucher", code: string}
 *   | {kind: "unknown"}} Scanned
 */

/** @param {string} text @param {Article[]} articles @param {number} digits of the currency @returns {Scanned} */
export function read(text, articles, digits) {
  const typed = text.trim();
  const times = TIMES.exec(typed);
  const quantity = times ? Math.max(1, Number(times[1])) : 1;
  const what = times ? times[2].trim() : typed;
  const article = find(what, articles);
  if (article) return { kind: "article", article, quantity };
  const amount = minor(what, digits);
  if (amount) return { kind: "amount", amount, quantity };
  if (times) return { kind: "unknown" };
  if (typed.includes("@")) return { kind: "member", identifier: { kind: "email", value: typed } };
  if (typed.startsWith("+")) return { kind: "member", identifier: { kind: "phone", value: typed } };
  const compact = typed.replace(/[\s-]/g, "").toUpperCase();
  if (CODE.test(compact) && luhn(compact)) return { kind: "member", identifier: { kind: "code", value: compact } };
  if (VOUCHER.test(compact)) return { kind: "voucher", code: compact };
  if (CARD.test(compact)) return { kind: "member", identifier: { kind: "card", value: compact } };
  return { kind: "unknown" };
}

/** @param {string} what @param {Article[]} articles */
function find(what, articles) {
  const lower = what.toLowerCase();
  const exact = articles.find((one) => one.sku.toLowerCase() === lower || one.name.toLowerCase() === lower);
  if (exact) return exact;
  const begins = articles.filter((one) => lower.length > 1 && one.name.toLowerCase().startsWith(lower));
  return begins.length === 1 ? begins[0] : null;
}

/** @param {string} text @param {number} digits */
function minor(text, digits) {
  if (!AMOUNT.test(text)) return 0;
  const [whole, part = ""] = text.split(/[.,]/);
  return part.length > digits ? 0 : Number(whole) * 10 ** digits + Number(part.padEnd(digits, "0"));
}

/** @param {string} digits */
function luhn(digits) {
  const sum = [...digits].reverse().reduce((total, char, i) => {
    const digit = Number(char) * (1 + (i % 2));
    return total + (digit > 9 ? digit - 9 : digit);
  }, 0);
  return sum % 10 === 0;
}
