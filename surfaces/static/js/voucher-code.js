/**
 * A voucher shown large at the till. What it shows is its row's, which the socket keeps true: once the voucher is used up or given
 * back the row is gone, and so is the code.
 */

import { busy, request } from "./actions.js";
import { codeDialog } from "./dialog.js";

/**
 * @param {HTMLElement} root the face @param {string} base `/web/v1` @param {any} words @param {string} [token]
 * @returns {() => void} to be called after each state
 */
export function voucherCode(root, base, words, token) {
  const dialog = /** @type {HTMLDialogElement} */ (root.querySelector("[data-voucher-code]"));
  const code = codeDialog(dialog, root.querySelector("[data-body]"));
  const back = /** @type {HTMLButtonElement} */ (dialog.querySelector("[data-give-back]"));
  const error = /** @type {HTMLElement} */ (dialog.querySelector("[data-error]"));
  const shown = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (dialog.querySelector(`[data-shown=${name}]`));
  let voucher = "";

  const buttonOf = (/** @type {string} */ id) =>
    /** @type {HTMLElement | null} */ (root.querySelector(`[data-voucher="${CSS.escape(id)}"]`));

  /** @param {HTMLElement} button */
  function draw(button) {
    const row = /** @type {HTMLElement} */ (button.closest("li"));
    const text = (/** @type {string} */ path) => row.querySelector(`[data-bind="${path}"]`)?.textContent ?? "";
    shown("name").textContent = text("name");
    shown("code").textContent = text("code_text");
    shown("note").textContent = text("note");
    dialog.querySelector(".qr svg")?.replaceWith(drawn(row));
    if (back.getAttribute("aria-busy") !== "true") back.textContent = button.dataset.refund ?? "";
    back.hidden = !button.dataset.refund;
  }

  root.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement | null} */ (
      /** @type {HTMLElement} */ (event.target).closest("[data-voucher]")
    );
    if (!button) return;
    voucher = button.dataset.voucher ?? "";
    error.textContent = "";
    draw(button);
    code.open(button);
  });
  back.addEventListener("click", () => {
    const path = `${base}/vouchers/${encodeURIComponent(voucher)}/cancel`;
    busy(back, words("cancelling"), words, () => request({ path, token, press: `cancel ${voucher}` }));
  });

  return () => {
    if (!dialog.open) return;
    const button = buttonOf(voucher);
    if (button) draw(button);
    else code.close();
  };
}

/** The row's QR code, without what hides it there and what binds it to its row. @param {HTMLElement} row */
function drawn(row) {
  const svg = /** @type {SVGElement} */ (/** @type {SVGElement} */ (row.querySelector("svg.kept")).cloneNode(true));
  svg.removeAttribute("class");
  for (const el of [svg, ...svg.children]) el.removeAttribute("data-attr");
  return svg;
}
