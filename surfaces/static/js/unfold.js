/** Lists that unfold: what lies below makes room without a jump. */

import { glide } from "./glide.js";

/** @param {HTMLElement} root */
export function unfolding(root) {
  for (const details of /** @type {NodeListOf<HTMLDetailsElement>} */ (root.querySelectorAll("[data-unfold]")))
    details.querySelector("summary")?.addEventListener("click", (event) => {
      event.preventDefault();
      glide(document.body, () => details.toggleAttribute("open"));
    });
}
