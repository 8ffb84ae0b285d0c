/** The member's web page. */

import { redeeming } from "./actions.js";
import { liveFace } from "./face.js";
import { faceRoot, start } from "./live-page.js";
import { pushSwitch } from "./push.js";
import { unfolding } from "./unfold.js";
import { voucherCode } from "./voucher-code.js";

const tools = start();
const { config, words } = tools;
const root = faceRoot("web");

const followVoucher = voucherCode(root, "/web/v1", words, config.token);
liveFace(root, {
  tools,
  surface: "web",
  token: config.token,
  have: config.have,
  asOf: config.as_of,
  shown: config.balance,
  onState: followVoucher,
});
unfolding(root);
redeeming(root, "/web/v1", words, { token: config.token });
if (config.push) pushSwitch(/** @type {HTMLElement} */ (root.querySelector("[data-push]")), config.push.key);

/* The navigation marks the section that was chosen, or scrolled to. */
const links = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll("nav a")]);
const mark = (/** @type {string} */ hash) => {
  for (const link of links)
    if (link.hash === hash) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
};
for (const link of links) link.addEventListener("click", () => mark(link.hash));
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) mark(`#${entry.target.id}`);
  },
  { rootMargin: "-10% 0px -80% 0px" },
);
for (const link of links) {
  const section = document.querySelector(link.hash);
  if (section) seen.observe(section);
}
