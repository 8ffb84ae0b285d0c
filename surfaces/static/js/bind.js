/**
 * Keeps a server-drawn face true to a newer view. The markup says what each element shows:
 *
 *     data-bind="tier.name"                 its text
 *     data-number="balance.points"          a number; `numbers` decides how it gets there (motion.js counts)
 *     data-attr="aria-label=tier.label"     attributes, several with spaces between
 *     data-style="--v=tier.progress"        custom properties
 *     data-class="locked=!affordable"       classes by truth
 *     data-show="holds" / "!member"         hidden unless true; an empty list is not true
 *     data-each="activity"                  a list: its <template> is a row, rows are kept by `data-key` (the item's `id`); of
 *                                           a list of texts, "." is the text
 *
 * Only what changed is touched, so a focused button keeps its focus and an unchanged row does not move.
 */

/** @param {any} view @param {string} path `header.0.value` */
export const valueAt = (view, path) =>
  path === "." ? view : path.split(".").reduce((value, key) => value?.[key], view);

/** @param {any} view @param {string} test */
function holds(view, test) {
  const negated = test.startsWith("!");
  const value = valueAt(view, negated ? test.slice(1) : test);
  const truth = Array.isArray(value) ? value.length > 0 : Boolean(value);
  return truth !== negated;
}

/** @param {string | undefined} spec @returns {[string, string][]} */
const pairs = (spec) =>
  spec ? spec.split(/\s+/).map((pair) => /** @type {[string, string]} */ (pair.split("="))) : [];

/**
 * @param {Element} root
 * @param {any} view
 * @param {{numbers?: (el: HTMLElement, to: number) => void, fresh?: boolean}} [how] `fresh`: mark new rows for their entrance
 */
export function bind(root, view, how = {}) {
  for (const el of own(root)) {
    const { bind: text, number, attr, style, show, each } = el.dataset;
    if (text !== undefined) setText(el, valueAt(view, text) ?? "");
    if (number !== undefined) setNumber(el, valueAt(view, number), how);
    for (const [name, path] of pairs(attr)) setAttribute(el, name, valueAt(view, path));
    for (const [name, path] of pairs(style)) el.style.setProperty(name, String(valueAt(view, path) ?? 0));
    for (const [name, test] of pairs(el.dataset.class)) el.classList.toggle(name, holds(view, test));
    if (show !== undefined) el.toggleAttribute("hidden", !holds(view, show));
    if (each !== undefined) rows(el, valueAt(view, each) ?? [], how);
  }
}

/** `root` and all that is bound below it, but not the rows of a list, which are bound to their own item. @param {Element} root */
function own(root) {
  const found = /** @type {HTMLElement[]} */ ([]);
  const rowOf = (/** @type {Element} */ el) => el.closest("[data-each] > *");
  const inside = rowOf(root);
  const selector = "[data-bind],[data-number],[data-attr],[data-style],[data-class],[data-show],[data-each]";
  for (const el of [root, ...root.querySelectorAll(selector)])
    if (rowOf(el) === inside) found.push(/** @type {HTMLElement} */ (el));
  return found;
}

/** @param {HTMLElement} list @param {any[]} items @param {{fresh?: boolean}} how */
function rows(list, items, how) {
  const template = /** @type {HTMLTemplateElement} */ (list.querySelector(":scope > template"));
  const old = new Map([...list.children].filter((el) => el !== template).map((el, i) => [keyOf(el, i), el]));
  let after = /** @type {Element} */ (template);
  items.forEach((item, i) => {
    const key = String(typeof item === "string" ? i : (item.id ?? item.at ?? i));
    let row = /** @type {HTMLElement} */ (old.get(key));
    if (row) old.delete(key);
    else {
      row = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
      row.dataset.key = key;
      if (how.fresh) row.classList.add("new");
    }
    bind(row, item, how);
    if (after.nextElementSibling !== row) after.after(row);
    after = row;
  });
  for (const gone of old.values()) gone.remove();
}

/** @param {Element} row @param {number} i */
const keyOf = (row, i) => /** @type {HTMLElement} */ (row).dataset.key ?? String(i);

/** @param {HTMLElement} el @param {unknown} value */
function setText(el, value) {
  const text = String(value);
  if (el.textContent !== text) el.textContent = text;
}

/** @param {HTMLElement} el @param {number | undefined} value @param {{numbers?: (el: HTMLElement, to: number) => void}} how */
function setNumber(el, value, how) {
  if (value === undefined || value === null) return;
  if (how.numbers) how.numbers(el, value);
  else setText(el, value);
}

/** @param {HTMLElement} el @param {string} name @param {unknown} value */
function setAttribute(el, name, value) {
  const text = String(value ?? "");
  if (el.getAttribute(name) !== text) el.setAttribute(name, text);
}
