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
  return { config, locale: /** @type {string} */ (config.locale), format, words };
}

/** @param {string} face */
export const faceRoot = (face) =>
  /** @type {HTMLElement} */ (document.querySelector(`[data-face="${face}"]`));
