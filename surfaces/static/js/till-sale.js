/**
 * Completing a sale, once. Its number is made before it is first sent and kept on this machine until the server has answered for
 * good: a lost answer, a reload or a power cut repeats the same request, and the same number is never two sales.
 */

import { pause, send } from "./chorus-quote.js";

/** A refusal of the till, not of the sale: it is sent again once the till may. */
const NOT_THE_SALES = new Set([401, 403, 408, 429]);

/**
 * @param {object} options
 * @param {string} options.device another till on this machine must not send this one's sale
 * @param {string} options.token @param {string} options.lang
 * @param {(tries: number) => void} options.onWaiting no answer yet; it is being sent again
 */
export function seller({ device, token, lang, onWaiting }) {
  const slot = `chorus-till-sale ${device}`;

  /** @param {any} sale @returns {Promise<any>} the answer; throws `Refusal` */
  async function settle(sale) {
    for (let tries = 0; ; tries++)
      try {
        const answer = await send({ path: "/pos/v1/purchases", body: sale, token, lang });
        forget();
        return answer;
      } catch (error) {
        const refusal = /** @type {import("./chorus-quote.js").Refusal} */ (error);
        if (!refusal.retryable) {
          if (!NOT_THE_SALES.has(refusal.status)) forget();
          throw refusal;
        }
        onWaiting(tries + 1);
        await pause(tries);
      }
  }

  function forget() {
    try {
      localStorage.removeItem(slot);
    } catch {
      /* As below. */
    }
  }

  return {
    /** @param {any} sale the whole request */
    complete(sale) {
      try {
        localStorage.setItem(slot, JSON.stringify(sale));
      } catch {
        /* Storage may be forbidden; the number lasts as long as the page. */
      }
      return settle(sale);
    },
    /** The sale of an earlier visit to this page that was not answered; null where there is none. */
    left() {
      try {
        return JSON.parse(localStorage.getItem(slot) ?? "null");
      } catch {
        return null;
      }
    },
    settle,
  };
}

/** `3-251125-232455-07`: the till, when, and a little chance for two pages of one till. @param {string} till @param {Date} now */
export function saleNumber(till, now) {
  const [day, time] = now.toISOString().slice(2, 19).replace(/[-:]/g, "").split("T");
  return `${till}-${day}-${time}-${String(Math.floor(Math.random() * 100)).padStart(2, "0")}`;
}
