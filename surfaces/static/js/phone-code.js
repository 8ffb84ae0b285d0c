/** The member's code on the phone. */

import { codeDialog } from "./dialog.js";

/** @param {HTMLElement} root the phone's face */
export function codeView(root) {
  const opener = /** @type {HTMLElement} */ (root.querySelector("[data-code-open]"));
  const code = codeDialog(
    /** @type {HTMLDialogElement} */ (root.querySelector("[data-code]")),
    root.querySelector("[data-body]"),
  );
  opener.addEventListener("click", () => code.open(opener));
}
