/**
 * The wall's wallet: what a phone shows that holds the member's pass. It asks the server and waits there until the phone has
 * something new: that it was woken, or that it fetched. To the wall it looks like any other live face.
 */

import { bind } from "./bind.js";
import { afterPaint } from "./chorus-live.js";
import { glide } from "./glide.js";

const AGAIN_MS = 1_000;

/**
 * @param {HTMLElement} root the `[data-face]` element
 * @param {object} options
 * @param {import("./live-page.js").PageTools} options.tools
 * @param {string} options.token
 * @param {number} options.version of the pass that is drawn
 * @param {HTMLElement} options.frame carries `data-conn`
 * @param {Element} options.told where the phone's last doings are written
 * @param {() => number} options.serverNow
 * @param {(frame: any, info: any) => void} options.onState
 * @param {(status: any) => void} options.onStatus
 */
export function passFace(root, { tools, token, version, frame, told, serverNow, onState, onStatus }) {
  const { words, format, locale } = tools;
  let changes = 0;
  let state = "connecting";
  let interrupted = false;
  let turn = 0;

  /** @param {string} next */
  function tell(next) {
    if (state === next) return;
    state = next;
    frame.dataset.conn = state;
    onStatus({ state });
  }

  /** @param {any} answer */
  function take(answer) {
    changes = answer.changes;
    told.textContent = doings(answer.events);
    if (answer.version <= version) {
      /* Woken, and not there yet: what it fetches then is still what was missed. */
      interrupted &&= answer.events.at(-1)?.kind === "pushed";
      return;
    }
    const info = { caughtUp: interrupted, missed: answer.version - version - 1, painted: Promise.resolve(null) };
    const recorded = Date.parse(answer.recorded_at);
    version = answer.version;
    glide(root, () => bind(root, answer.view));
    if (!interrupted && !document.hidden)
      info.painted = afterPaint().then((at) => (at === null ? null : Math.max(0, Math.ceil(serverNow() - recorded))));
    interrupted = false;
    onState({ version, view: answer.view, causes: [] }, info);
  }

  /** The last push and what came of it. @param {any[]} events */
  function doings(events) {
    const pushed = events.findLast((event) => event.kind === "pushed");
    const got = events.findLast((event) => event.kind !== "pushed");
    const time = (/** @type {any} */ event) => format.clock(new Date(event.at));
    const kb = format.number(Math.round((got?.size ?? 0) / 1000));
    if (!pushed) return got ? words("pass_added", { time: time(got), kb }) : "";
    if (!got || got.at < pushed.at) return words("pass_woken", { time: time(pushed) });
    const ms = format.number(Math.ceil(Date.parse(got.at) - Date.parse(pushed.at)));
    return words("pass_fetched", { time: time(pushed), ms, kb });
  }

  /** Without a time limit of its own: the server answers when there is something, or after a while that there is not. */
  async function ask() {
    const headers = { authorization: `Bearer ${token}` };
    /* After a loss, what is shown already is an answer too: it says that the way is free again. */
    const after = state === "live" ? changes : changes - 1;
    const response = await fetch(`/wall/v1/pass?after=${after}&lang=${locale}`, { headers });
    if (!response.ok) throw new Error(String(response.status));
    return response.status === 204 ? null : response.json();
  }

  /** @param {number} mine */
  async function follow(mine) {
    let failures = 0;
    while (mine === turn) {
      try {
        const answer = await ask();
        if (mine !== turn) return;
        tell("live");
        failures = 0;
        if (answer) take(answer);
      } catch {
        if (mine !== turn) return;
        interrupted = true;
        tell(navigator.onLine ? "reconnecting" : "offline");
        /* At once, the first time: a connection that was kept from before is found dead by using it. */
        if (failures++) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  function onOnline() {
    follow(++turn);
  }

  function onOffline() {
    turn += 1;
    interrupted = true;
    tell("offline");
  }

  window.addEventListener("online", onOnline);
  window.addEventListener("offline", onOffline);
  onOnline();

  return {
    close() {
      turn += 1;
      window.removeEventListener("online", onOnline);
      window.removeEventListener("offline", onOffline);
    },
  };
}
