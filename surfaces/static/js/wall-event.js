/** The wall's first panel: what happened last. */

export function eventPanel() {
  const find = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (document.querySelector(`[data-event-${name}]`));
  const [points, unit, what, when] = ["points", "unit", "what", "when"].map(find);
  return {
    /** @param {any} cause @param {any} frame */
    show(cause, frame) {
      points.textContent = cause.points_text;
      points.parentElement?.classList.toggle("spent", !cause.gain);
      unit.textContent = frame.view.balance.unit;
      what.textContent = cause.what || cause.text;
      what.title = what.textContent ?? "";
      when.textContent = cause.when;
    },
  };
}
