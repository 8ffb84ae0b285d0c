/**
 * The member at the counter, looked up and kept true. A till has no live socket of a member it looked up
 * (`docs/live-protocol.md`), so it asks again every few seconds by ETag: an unchanged member costs an answer without a body.
 */

import { isNewer } from "./chorus-live.js";
import { Refusal } from "./chorus-quote.js";

const EVERY_MS = 3_000;
const TIMEOUT_MS = 8_000;

/**
 * @param {object} options
 * @param {string} options.token @param {string} options.lang
 * @param {(shown: any) => void} options.onView a newer view, with its stamp and `as_of`
 * @param {(lost: boolean) => void} options.onLine whether the last question was answered
 */
export function follower({ token, lang, onView, onLine }) {
  /** @type {{kind: string, value: string} | null} */
  let who = null;
  let tag = "";
  /** @type {any} */
  let shown;
  let timer = 0;
  let round = 0;

  /** The newest view; null where it is the one that is shown. @param {{kind: string, value: string}} identifier */
  async function fetched(identifier) {
    const query = new URLSearchParams({ ...identifier, lang });
    /** @type {Record<string, string>} */
    const headers = { accept: "application/json", authorization: `Bearer ${token}` };
    if (tag) headers["if-none-match"] = tag;
    let response;
    try {
      response = await fetch(`/pos/v1/members?${query}`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.status === 304) return null;
      const answer = await response.json();
      if (response.ok) {
        tag = response.headers.get("etag") ?? "";
        return answer;
      }
      throw new Refusal(answer.code, answer.detail, answer.retryable, answer.errors, response.status);
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal("network", "", true);
    }
  }

  /** @param {number} mine */
  async function look(mine) {
    clearTimeout(timer);
    if (!who || mine !== round) return;
    try {
      const answer = await fetched(who);
      if (mine !== round) return;
      onLine(false);
      take(answer);
    } catch {
      if (mine === round) onLine(true);
    }
    if (mine === round) timer = window.setTimeout(look, EVERY_MS, mine);
  }

  /** @param {any} answer */
  function take(answer) {
    if (!answer || !isNewer(answer, shown)) return;
    shown = answer;
    onView(answer);
  }

  function forget() {
    clearTimeout(timer);
    round += 1;
    who = null;
    shown = undefined;
    tag = "";
  }

  document.addEventListener("visibilitychange", () => !document.hidden && look(round));

  return {
    /** From now on this one. Throws `Refusal`; then nobody is followed. @param {{kind: string, value: string}} identifier */
    async follow(identifier) {
      forget();
      const mine = round;
      const answer = await fetched(identifier);
      if (mine !== round) return;
      who = identifier;
      onLine(false);
      take(answer);
      timer = window.setTimeout(look, EVERY_MS, mine);
    },
    /** Something happened here: do not wait. */
    lookNow: () => look(round),
    forget,
  };
}
