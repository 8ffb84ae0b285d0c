/** What every page starts with: its configuration, words and formats, the theme switch. */

import { formats, wording } from "./format.js";
import { themeSwitch } from "./theme.js";

/** @typedef {ReturnType<typeof start>} PageTools */

export function start() {
  const config = JSON.parse(
    /** @type {HTMLElement} */ (document.getElementById("chorus")).textContent ?? "{}",
  );
  const format = formats(config.locale, config.zone);
  const words = wording(config.words, format);
  themeSwitch(words);
  keepAddress();
  return { config, locale: /** @type {string} */ (config.locale), format, words };
}

/** A language link keeps the rest of the address: a device's token may be in it. */
function keepAddress() {
  const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("a[hreflang]"));
  for (const link of links) {
    const address = new URL(location.href);
    address.searchParams.set("lang", link.hreflang);
    link.href = address.href;
  }
}

/** @param {string} face */
export const faceRoot = (face) =>
  /** @type {HTMLElement} */ (document.querySelector(`[data-face="${face}"]`));
