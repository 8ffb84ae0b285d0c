/**
 * What moves: a balance that counts, a record that turns. Numbers start from what is displayed, so a second event retargets the
 * first; a hidden tab and a reader who asked for less motion get the number at once.
 */

const still = matchMedia("(prefers-reduced-motion: reduce)");
/** More than so many changes in a second and a count would never be read: the number is set. */
const BUSY_PER_SECOND = 3;

/** @type {Set<() => void>} */
const running = new Set();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) for (const finish of running) finish();
});

/** Fast at first, then settling. @param {number} t */
const ease = (t) => (t >= 1 ? 1 : 1 - 2 ** (-10 * t));

/** @typedef {HTMLElement & {shown?: number, stop?: () => void}} Counter */

/**
 * @param {HTMLElement} el @param {number} to @param {(n: number) => string} write @param {number} ms 0 sets it at once
 */
export function count(el, to, write, ms) {
  const counter = /** @type {Counter} */ (el);
  counter.stop?.();
  const from = counter.shown ?? read(el.textContent ?? "");
  if (!ms || from === to || still.matches || document.hidden) {
    counter.shown = to;
    if (el.textContent !== write(to)) el.textContent = write(to);
    return;
  }
  reserve(el, write(to));
  const start = performance.now();
  let frame = 0;
  const finish = () => {
    cancelAnimationFrame(frame);
    running.delete(finish);
    counter.shown = to;
    counter.stop = undefined;
    el.textContent = write(to);
    el.style.minWidth = "";
  };
  counter.stop = () => {
    cancelAnimationFrame(frame);
    running.delete(finish);
  };
  const step = (/** @type {number} */ at) => {
    /* A frame's time may lie before the call that asked for it: no count starts backwards. */
    const t = Math.min(1, Math.max(0, at - start) / ms);
    if (t >= 1) return finish();
    counter.shown = Math.round(from + (to - from) * ease(t));
    el.textContent = write(counter.shown);
    frame = requestAnimationFrame(step);
  };
  running.add(finish);
  frame = requestAnimationFrame(step);
}

/** Runs a CSS animation from its start, even while it runs. @param {Element} el @param {string} name */
export function replay(el, name) {
  el.classList.remove(name);
  void (/** @type {HTMLElement} */ (el).offsetWidth);
  el.classList.add(name);
}

/** A gate that opens while changes come slowly enough to be followed. */
export function pace() {
  /** @type {number[]} */
  let recent = [];
  return () => {
    const at = performance.now();
    recent = [...recent.filter((then) => at - then < 1000), at];
    return recent.length <= BUSY_PER_SECOND;
  };
}

/** The wider of now and then, so that no neighbour moves while it counts. @param {HTMLElement} el @param {string} final */
function reserve(el, final) {
  const before = el.textContent;
  const width = el.getBoundingClientRect().width;
  el.textContent = final;
  const after = el.getBoundingClientRect().width;
  el.textContent = before;
  el.style.minWidth = `${Math.max(width, after)}px`;
}

/** @param {string} text */
function read(text) {
  const digits = Number(text.replace(/\D/g, ""));
  return text.trim().startsWith("−") ? -digits : digits;
}
