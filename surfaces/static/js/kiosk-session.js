/**
 * A kiosk's session: a code opens it, a touch extends it, and it clears by itself. The screen clears when its own clock says
 * so, without waiting for the server: what a member leaves behind is gone even on a dead network.
 */

import { busy, redeeming, request } from "./actions.js";
import { glide } from "./glide.js";
import { replay } from "./motion.js";
import { hush, say } from "./say.js";

const TOUCH_EVERY_MS = 3_000;
const SPOKEN_AT_SECONDS = 10;

/**
 * @param {HTMLElement} root @param {import("./live-page.js").PageTools} tools
 * @param {{token?: string, keepFocus: boolean, clearsAt: string | null,
 *   onClear: () => void, onRunOut?: () => void}} options `onClear`: the screen is cleared, whoever wished it; `onRunOut`: and not by
 *   "I’m done"
 */
export function kioskSession(root, { words, format }, options) {
  const { token } = options;
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  const form = /** @type {HTMLFormElement} */ (find("[data-scan]"));
  const input = /** @type {HTMLInputElement} */ (form.elements.namedItem("code"));
  const clears = find("[data-clears]");
  const menu = find("[data-menu]");
  const pick = find("[data-pick]");
  let clearsAt = options.clearsAt ? Date.parse(options.clearsAt) : 0;
  /** A device's own clock may be wrong by hours: nothing is counted down before the server's is known. */
  let serverNow = /** @type {(() => number) | null} */ (null);
  let lastTouch = 0;
  let timer = 0;
  let lost = false;
  let bound = !find(".acts2").hidden;

  /** @param {boolean} choosing */
  function arrange(choosing) {
    menu.hidden = choosing;
    pick.hidden = !choosing;
    root.classList.toggle("picking", choosing);
  }

  /** @param {boolean} choosing */
  function choose(choosing) {
    glide(root, () => arrange(choosing));
    (choosing ? pick : menu).querySelector("button:not([hidden], :disabled)")?.focus();
  }

  /** @param {boolean} [byHand] */
  function clear(byHand = false) {
    const ranOut = bound && !byHand;
    if (bound) replay(find("[data-gap]"), "another");
    bound = false;
    clearsAt = 0;
    clears.textContent = "";
    if (options.keepFocus) hush();
    glide(root, blank);
    options.onClear();
    if (options.keepFocus) input.focus();
    if (ranOut) options.onRunOut?.();
  }

  /** Nothing of the member stays in the page, hidden or not. */
  function blank() {
    arrange(false);
    for (const el of root.querySelectorAll('[data-show="member"]')) el.toggleAttribute("hidden", true);
    for (const el of root.querySelectorAll('[data-show="!member"]')) el.toggleAttribute("hidden", false);
    for (const el of root.querySelectorAll("[data-number^=member]"))
      /** @type {import("./motion.js").Counter} */ (el).stop?.();
    for (const el of root.querySelectorAll("[data-bind^=member],[data-number^=member]")) el.textContent = "";
    for (const el of root.querySelectorAll('[data-attr*="=member."]'))
      for (const pair of /** @type {HTMLElement} */ (el).dataset.attr?.split(" ") ?? [])
        el.setAttribute(pair.split("=")[0], "");
    for (const row of root.querySelectorAll("[data-each^=member] > li")) row.remove();
  }

  function tick() {
    clearTimeout(timer);
    if (!bound || !clearsAt || !serverNow) {
      clears.textContent = "";
      return;
    }
    const left = Math.ceil((clearsAt - serverNow()) / 1000);
    if (left <= 0) return clear();
    clears.textContent = `${words.count("clears", left)}${format.joiner}${words(lost ? "paused" : "extend")}`;
    if (left === SPOKEN_AT_SECONDS) say(clears.textContent);
    timer = window.setTimeout(tick, 1_000);
  }

  async function touch() {
    if (!bound || !clearsAt || performance.now() - lastTouch < TOUCH_EVERY_MS) return;
    lastTouch = performance.now();
    try {
      const answer = await request({ path: "/kiosk/v1/session/touch", token });
      if (answer?.clears_at) clearsAt = Date.parse(answer.clears_at);
      tick();
    } catch {
      /* Not extended: the countdown goes on, and the next touch asks again. */
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const code = input.value.trim();
    if (!code) return input.focus();
    const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
    const path = "/kiosk/v1/session";
    await busy(button, words("opening"), words, () => request({ path, body: { code }, token }));
    input.select();
  });
  root.addEventListener("pointerdown", touch);
  root.addEventListener("keydown", touch);
  find("[data-choose]").addEventListener("click", () => choose(true));
  find("[data-back]").addEventListener("click", () => choose(false));
  find("[data-done]").addEventListener("click", async () => {
    clear(true);
    try {
      await request({ path: "/kiosk/v1/session", method: "DELETE", token });
    } catch {
      /* The screen is clear already, and the session runs out by itself. */
    }
  });
  redeeming(root, "/kiosk/v1", words, { token, onHeld: () => choose(false) });

  if (options.keepFocus)
    /* A scanner types wherever the focus is: a key on the idle screen goes to the field. */
    document.addEventListener("keydown", (event) => {
      if (!bound && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey)
        if (document.activeElement === document.body) input.focus();
    });

  return {
    /** @param {() => number} clock the server's */
    useClock(clock) {
      serverNow = clock;
      tick();
    },
    /** @param {any} status of the connection: without it nothing is redeemed */
    follow({ state }) {
      lost = state !== "live" && state !== "connecting";
      tick();
    },
    /** @param {any} view */
    update(view) {
      clearsAt = view.member && view.clears_at ? Date.parse(view.clears_at) : 0;
      if (view.member && !bound) replay(find("[data-gap]"), "another");
      bound ||= Boolean(view.member);
      if (view.member) input.value = "";
      else clear();
      tick();
    },
  };
}
