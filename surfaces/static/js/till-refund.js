/** Taking a sale back: its number and a reason, then the whole of it. Pressed again after a lost answer it is the same return. */

import { send } from "./chorus-quote.js";

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {string} options.token @param {string} options.lang @param {any} options.words
 * @param {boolean} options.reasonsKept
 * @param {() => string} options.lastPurchase
 * @param {(refusal: any) => string} options.explain
 * @param {(answer: any) => void} options.onDone
 * @param {() => void} options.onClose
 */
export function refunding(root, options) {
  const { words } = options;
  const dialog = /** @type {HTMLDialogElement} */ (root.querySelector("[data-refund]"));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const wrong = /** @type {HTMLElement} */ (form.querySelector("[data-error]"));
  const more = /** @type {HTMLElement} */ (form.querySelector("[data-refund-more]"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-refund-send]"));
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  /** One number for one return, until it is answered for good. */
  let number = "";

  function open() {
    form.reset();
    wrong.textContent = "";
    more.hidden = true;
    field("purchase").value = options.lastPurchase();
    dialog.showModal();
    (field("purchase").value ? field("reason") : field("purchase")).focus();
  }

  /** @param {string} text @param {string} name */
  function point(text, name) {
    wrong.textContent = text;
    for (const one of ["purchase", "reason", "note"]) field(one).removeAttribute("aria-invalid");
    field(name).setAttribute("aria-invalid", "true");
    field(name).focus();
  }

  form.addEventListener("change", () => {
    number = "";
    more.hidden = field("reason").value !== "other";
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    const purchase = field("purchase").value.trim();
    const reason = field("reason").value;
    const note = field("note").value.trim();
    if (!purchase) return point(words("refund_needs_id"), "purchase");
    if (!reason) return point(words("refund_needs_reason"), "reason");
    if (reason === "other" && !note) return point(words("refund_needs_note"), "note");
    number ||= `r-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    const told = note || words(`refund_${reason}`);
    const body = options.reasonsKept ? { id: number, reason: told } : { id: number };
    button.setAttribute("aria-busy", "true");
    wrong.textContent = "";
    try {
      const path = `/pos/v1/purchases/${encodeURIComponent(purchase)}/returns`;
      const answer = await send({ path, body, token: options.token, lang: options.lang });
      number = "";
      dialog.close();
      options.onDone({ ...answer, reason: told });
    } catch (refusal) {
      if (!(/** @type {any} */ (refusal).retryable)) number = "";
      wrong.textContent = options.explain(refusal);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
  dialog.querySelector("[data-refund-close]")?.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", options.onClose);

  return { open, isOpen: () => dialog.open };
}
