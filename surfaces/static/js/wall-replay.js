/**
 * The demo's transport: pause (WCAG 2.2.2), date, speed, and a sale rung up by hand. The replay only goes forward: what was
 * posted is in a ledger, so the slider does not go back below the date that is playing.
 */

import { busy, request } from "./actions.js";

const POLL_MS = 1_000;
/** Arrow keys move the slider in steps; the server is asked once they rest. */
const RESTS_MS = 500;
const DAY_MS = 86_400_000;

/** @param {import("./live-page.js").PageTools} tools */
export function replayBar({ words, format }) {
  const root = /** @type {HTMLElement} */ (document.querySelector("[data-replay]"));
  const find = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (root.querySelector(`[data-${name}]`));
  const play = find("play");
  const seek = /** @type {HTMLInputElement} */ (find("seek"));
  const speed = /** @type {HTMLSelectElement} */ (find("speed"));
  const ring = /** @type {HTMLButtonElement} */ (find("ring"));
  /** @type {any} */
  let replay = null;
  let choosing = false;
  let seekTimer = 0;

  const day = (/** @type {string} */ date) => Math.round(Date.parse(`${date}T00:00:00Z`) / DAY_MS);
  const isoOf = (/** @type {number} */ n) => new Date(n * DAY_MS).toISOString().slice(0, 10);
  /** Noon, so that the programme's zone does not move the day. @param {string} date */
  const shown = (date) => format.date(new Date(`${date}T12:00:00Z`));

  /** @param {any} next */
  function draw(next) {
    if (!next) return;
    replay = next;
    root.classList.toggle("playing", replay.playing);
    play.setAttribute("aria-label", words(replay.playing ? "pause" : "play"));
    find("first").textContent = shown(replay.first);
    find("last").textContent = shown(replay.last);
    seek.disabled = false;
    seek.min = "0";
    seek.max = String(day(replay.last) - day(replay.first));
    if (![...speed.options].some((option) => option.value === String(replay.speed)))
      speed.add(new Option(words("speed", { n: replay.speed }), String(replay.speed)));
    if (document.activeElement !== speed) speed.value = String(replay.speed);
    if (!choosing) place(day(replay.date));
  }

  /** @param {number} n a day */
  function place(n) {
    const first = day(replay.first);
    const date = shown(isoOf(n));
    seek.value = String(n - first);
    seek.style.setProperty("--at", String((100 * (n - first)) / Math.max(1, Number(seek.max))));
    seek.setAttribute(
      "aria-valuetext",
      words("replay_at", { date, posted: format.number(replay.posted), total: format.number(replay.total) }),
    );
    find("date").textContent = date;
  }

  async function poll() {
    if (!document.hidden)
      try {
        draw(await request({ path: "/wall/v1/replay", method: "GET" }));
      } catch {
        /* The faces say when the connection is lost; the bar keeps its last date. */
      }
    setTimeout(poll, POLL_MS);
  }

  /** @param {unknown} body */
  async function tell(body) {
    const error = find("error");
    error.textContent = "";
    try {
      draw(await request({ path: "/wall/v1/replay", body }));
    } catch {
      error.textContent = words("error_network");
    }
  }

  play.addEventListener("click", () => replay && tell({ playing: !replay.playing }));
  speed.addEventListener("change", () => tell({ speed: Number(speed.value) }));
  seek.addEventListener("input", () => {
    choosing = true;
    clearTimeout(seekTimer);
    place(Math.max(day(replay.date), day(replay.first) + Number(seek.value)));
  });
  seek.addEventListener("change", () => {
    clearTimeout(seekTimer);
    seekTimer = window.setTimeout(async () => {
      const chosen = day(replay.first) + Number(seek.value);
      if (chosen > day(replay.date)) await tell({ seek: isoOf(chosen) });
      choosing = false;
    }, RESTS_MS);
  });
  ring.addEventListener("click", () =>
    busy(ring, words("ringing"), words, () => request({ path: "/wall/v1/sales", body: {}, press: "sale" })),
  );
  poll();
  return { playing: () => Boolean(replay?.playing) };
}
