/**
 * The member at the counter: looked up by HTTP, which says why where nobody is found, then followed on a live socket that
 * names the member by what it was looked up with.
 */

import { connect } from "./chorus-live.js";
import { Refusal } from "./chorus-quote.js";

const TIMEOUT_MS = 8_000;

/**
 * @param {object} options
 * @param {string} options.token @param {string} options.lang
 * @param {(shown: any) => void} options.onView a newer view, with its stamp and `as_of`
 * @param {(lost: boolean) => void} options.onLine whether the connection is lost
 */
export function follower({ token, lang, onView, onLine }) {
  /** @type {{close: () => void} | null} */
  let live = null;
  let round = 0;

  /** @param {{kind: string, value: string}} identifier */
  async function fetched(identifier) {
    const query = new URLSearchParams({ ...identifier, lang });
    const headers = { accept: "application/json", authorization: `Bearer ${token}` };
    try {
      const response = await fetch(`/pos/v1/members?${query}`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      const answer = await response.json();
      if (response.ok) return answer;
      throw new Refusal(answer.code, answer.detail, answer.retryable, answer.errors, response.status);
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal("network", "", true);
    }
  }

  function forget() {
    live?.close();
    live = null;
    round += 1;
  }

  return {
    /** From now on this one. Throws `Refusal`; then nobody is followed. @param {{kind: string, value: string}} identifier */
    async follow(identifier) {
      forget();
      const mine = round;
      const answer = await fetched(identifier);
      if (mine !== round) return;
      onLine(false);
      onView(answer);
      live = connect({
        surface: "pos",
        who: identifier,
        token,
        locale: lang,
        have: answer,
        asOf: answer.as_of,
        onState: (frame) => onView(frame),
        onStatus: ({ state }) => mine === round && onLine(state !== "live" && state !== "connecting"),
      });
    },
    forget,
  };
}
