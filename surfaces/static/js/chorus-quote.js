/**
 * Asking Chorus what a basket would earn, for our own pages and for anyone else's. No dependency.
 *
 *     import { quoting } from "/embed/chorus-quote.js";
 *     const quotes = quoting({ url: "/web/v1/quotes", onQuote: draw, onRefusal: tell });
 *     quotes.ask({ channel: "web", currency: "USD", total: 1290, lines: [...], points: 0, vouchers: [] });
 *
 * What it guarantees: what `onQuote` is given is the answer to the newest basket. Edits in quick succession are asked as one,
 * an answer that comes after a newer basket is dropped, and one that does not come is asked for again for as long as its basket
 * is the newest. A basket whose points or vouchers are no longer good is quoted without them, and `onQuote` is told what was
 * left out.
 *
 * @module
 */

/** Long enough to take in a double click or a typed number, too short to be seen. */
const SETTLES_MS = 120;
const TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const POINTS_REFUSED = new Set(["points_above_cap", "insufficient_points", "points_pay_nothing"]);
const VOUCHER_REFUSED = new Set(["voucher_not_good", "unknown_voucher"]);

/**
 * @typedef {{sku: string, quantity: number, amount: number, name?: string, category?: string}} Line `amount`: of the whole line,
 *   in minor units
 * @typedef {{channel: string, currency: string, total: number, lines: Line[], points: number, vouchers: string[],
 *   member?: {kind: string, value: string}}} BasketBody
 * @typedef {{points: number | null, vouchers: {code: string, detail: string}[]}} LeftOut `points`: what the basket had asked for
 */

/** A refusal by the server, or (`network`) no answer at all. */
export class Refusal extends Error {
  /**
   * @param {string} code @param {string} detail @param {boolean} retryable
   * @param {{pointer: string, detail: string}[]} [errors] @param {number} [status]
   */
  constructor(code, detail, retryable, errors = [], status = 0) {
    super(detail || code);
    this.code = code;
    this.detail = detail;
    this.retryable = retryable;
    this.errors = errors;
    this.status = status;
  }
}

/**
 * One request; gives the answer's JSON. Throws `Refusal`, or what an abort throws.
 * @param {{path: string, method?: string, body?: unknown, token?: string, lang?: string, key?: string, signal?: AbortSignal}} call
 * @returns {Promise<any>}
 */
export async function send({ path, method = "POST", body, token, lang, key, signal }) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  if (key) headers["idempotency-key"] = key;
  const address = lang ? `${path}${path.includes("?") ? "&" : "?"}lang=${lang}` : path;
  const giveUp = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  let answer;
  try {
    response = await fetch(address, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, giveUp]) : giveUp,
    });
    answer = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    /* Also an answer that broke off: whether it was a yes is not known. */
    throw new Refusal("network", "", true);
  }
  if (response.ok) return answer;
  const retryable = Boolean(answer?.retryable) || response.status >= 500;
  const detail = answer?.detail ?? answer?.title ?? "";
  throw new Refusal(answer?.code ?? "other", detail, retryable, answer?.errors ?? [], response.status);
}

/** @param {number} attempt from 0 */
export const pause = (attempt) =>
  new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt)));

/**
 * @param {object} options
 * @param {string} options.url `/web/v1/quotes`, `/app/v1/quotes`, `/pos/v1/quotes` or `/kiosk/v1/quotes`
 * @param {string} [options.token] left out where the browser has a session cookie
 * @param {string} [options.lang]
 * @param {(quote: any, body: BasketBody, leftOut: LeftOut) => void} options.onQuote `body`: what was quoted
 * @param {(refusal: Refusal) => void} [options.onRefusal] a `network` one is asked again by itself
 */
export function quoting({ url, token, lang, onQuote, onRefusal = () => {} }) {
  let newest = 0;
  let timer = 0;
  /** @type {AbortController | null} */
  let asked = null;
  /** @type {BasketBody | null} */
  let basket = null;

  /** @param {BasketBody} body @param {number} [wait] */
  function ask(body, wait = SETTLES_MS) {
    basket = body;
    newest += 1;
    asked?.abort();
    clearTimeout(timer);
    timer = window.setTimeout(run, wait, body, newest);
  }

  /** @param {BasketBody} body @param {number} mine */
  async function run(body, mine) {
    asked = new AbortController();
    const { signal } = asked;
    for (let attempt = 0; mine === newest; attempt++)
      try {
        const [quote, quoted, leftOut] = await settled(body, signal);
        if (mine === newest) onQuote(quote, quoted, leftOut);
        return;
      } catch (error) {
        if (mine !== newest) return;
        if (!(error instanceof Refusal)) throw error;
        onRefusal(error);
        if (!error.retryable) return;
        await pause(attempt);
      }
  }

  /**
   * The quote of `body`, or of the nearest basket that is not refused.
   * @param {BasketBody} body @param {AbortSignal} signal @returns {Promise<[any, BasketBody, LeftOut]>}
   */
  async function settled(body, signal) {
    const wanted = body.points;
    const leftOut = /** @type {LeftOut} */ ({ points: null, vouchers: [] });
    let now = body;
    /* Each voucher may be refused once, the points twice: all, then those above the most. */
    for (let left = body.vouchers.length + 3; ; left--)
      try {
        const quote = await send({ path: url, body: now, token, lang, signal });
        const most = Math.min(wanted, quote.most_points);
        if (leftOut.points === null || now.points >= most || !left) return [quote, now, leftOut];
        now = { ...now, points: most };
      } catch (error) {
        if (!(error instanceof Refusal) || !left) throw error;
        const at = /^\/vouchers\/(\d+)/.exec(error.errors[0]?.pointer ?? "")?.[1];
        if (POINTS_REFUSED.has(error.code) && now.points) {
          leftOut.points = wanted;
          now = { ...now, points: 0 };
        } else if (VOUCHER_REFUSED.has(error.code) && at !== undefined) {
          leftOut.vouchers.push({ code: now.vouchers[Number(at)], detail: error.detail });
          now = { ...now, vouchers: now.vouchers.filter((_, i) => i !== Number(at)) };
        } else throw error;
      }
  }

  return {
    ask,
    /** The same basket once more, at once: something else has changed. */
    again: () => basket && ask(basket, 0),
    /** Nothing is asked for any more, and no answer comes. */
    forget() {
      newest += 1;
      basket = null;
      asked?.abort();
      clearTimeout(timer);
    },
  };
}
