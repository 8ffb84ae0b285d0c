/** The page's one spoken line (`role="status"`): the last thing said within a second, so a burst is told by its end. */

const SETTLES_MS = 1_000;
const el = document.getElementById("say");
let timer = 0;

/** @param {string} text */
export function say(text) {
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    if (el) el.textContent = text;
  }, SETTLES_MS);
}

/** Takes back what was said: a shared screen keeps nothing of a member. */
export function hush() {
  clearTimeout(timer);
  if (el) el.textContent = "";
}
