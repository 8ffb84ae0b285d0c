/**
 * Making room without a jump: what a change moves up or down starts where it was and glides to its new place. Who asked for
 * less motion sees it there at once, and so does everybody while changes come too fast to be followed.
 */

const still = matchMedia("(prefers-reduced-motion: reduce)");
const GLIDE_MS = 220;
/** A frame from where it was, the next where it is. */
const AT_ONCE_MS = 1;
const OUT = "cubic-bezier(.16, 1, .3, 1)";

/**
 * A box that still glides is not stopped to be sent elsewhere: the second way is added to the first, by the other property.
 * (By the same one the eye would see no jump either, but browsers count one.)
 * @type {{translate: WeakMap<Element, Animation>, transform: WeakMap<Element, Animation>}}
 */
const gliding = { translate: new WeakMap(), transform: new WeakMap() };

/**
 * Runs `change`, which draws something new inside `around`. Only whole boxes glide: words inside a line go with it.
 * @param {Element} around @param {() => void} change @param {boolean} [calm] false: at once
 */
export function glide(around, change, calm = true) {
  const before = new Map(boxes(around).map((el) => [el, el.getBoundingClientRect()]));
  change();
  if (around === document.body) holdStill(before);
  /** How far each box is from where it was; what it holds goes with it. @type {Map<Element, number>} */
  const moved = new Map();
  /** @type {[Element, number][]} */
  const starts = [];
  for (const [el, was] of before) {
    const now = el.getBoundingClientRect();
    if (!visible(was) || !visible(now)) continue;
    const along = carried(el, moved);
    const own = was.top - now.top - along;
    const moves = Math.abs(own) >= 2 && getComputedStyle(el).display !== "inline";
    moved.set(el, moves ? along + own : along);
    if (moves) starts.push([el, own]);
  }
  for (const [el, by] of starts) {
    const duration = calm && !still.matches ? GLIDE_MS : AT_ONCE_MS;
    const free = !glides(el, "translate") ? "translate" : "transform";
    const way = free === "translate" ? `0 ${by}px` : `translateY(${by}px)`;
    const composite = glides(el, free) ? "add" : "replace";
    gliding[free].set(el, el.animate([{ [free]: way }, { [free]: "none" }], { duration, easing: OUT, composite }));
  }
}

/** @param {Element} el @param {"translate" | "transform"} by */
const glides = (el, by) => gliding[by].get(el)?.playState === "running";

/**
 * What has the focus stays where it is, by scrolling: a button that was pressed is not moved on by what it brought about above it.
 * @param {Map<Element, DOMRect>} before
 */
function holdStill(before) {
  const held = document.activeElement;
  const was = held && before.get(held);
  if (!held || !was || !visible(was) || was.bottom <= 0 || was.top >= innerHeight) return;
  const now = held.getBoundingClientRect();
  if (visible(now)) scrollBy({ top: now.top - was.top, behavior: "instant" });
}

/** @param {Element} around */
const boxes = (around) => [...around.querySelectorAll("*:not(script, template, svg *, dialog, dialog *, [data-gap])")];

/** @param {DOMRect} rect */
const visible = (rect) => rect.width > 0 && rect.height > 0;

/** @param {Element} el @param {Map<Element, number>} moved */
function carried(el, moved) {
  for (let up = el.parentElement; up; up = up.parentElement) {
    const by = moved.get(up);
    if (by !== undefined) return by;
  }
  return 0;
}
