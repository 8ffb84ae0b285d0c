/**
 * One toast at a time: 6 s, waiting while the pointer or the focus is on it, dismissed by its button or Escape. It is never
 * the only record of anything, and it is not a live region: the page's status line speaks.
 */

const LASTS_MS = 6_000;
const el = document.querySelector("[data-toast]");
let timer = 0;
let left = LASTS_MS;
let since = 0;

/** @param {string} title @param {string} text */
export function toast(title, text) {
  if (!(el instanceof HTMLElement)) return;
  set("[data-toast-title]", title);
  set("[data-toast-text]", text);
  el.hidden = false;
  el.classList.remove("in");
  void el.offsetWidth;
  el.classList.add("in");
  left = LASTS_MS;
  if (!paused()) run();
}

/** @param {string} selector @param {string} text */
function set(selector, text) {
  const part = el?.querySelector(selector);
  if (part) part.textContent = text;
}

const paused = () => Boolean(el?.matches(":hover, :focus-within"));

function run() {
  clearTimeout(timer);
  since = performance.now();
  timer = window.setTimeout(hide, left);
}

function hold() {
  clearTimeout(timer);
  left = Math.max(1_000, left - (performance.now() - since));
}

function hide() {
  clearTimeout(timer);
  if (el instanceof HTMLElement) el.hidden = true;
}

if (el) {
  el.addEventListener("pointerenter", hold);
  el.addEventListener("focusin", hold);
  el.addEventListener("pointerleave", () => !paused() && run());
  el.addEventListener("focusout", () => setTimeout(() => !paused() && run()));
  el.addEventListener("keydown", (event) => /** @type {KeyboardEvent} */ (event).key === "Escape" && hide());
  el.querySelector("[data-toast-close]")?.addEventListener("click", hide);
}
