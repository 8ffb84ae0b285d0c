/**
 * Buttons that ask the server for something. A press has one idempotency key, kept until the server has answered for good: pressing
 * again after a lost answer repeats the same request, so nothing is charged twice. What went wrong is said beside the button, with what
 * to do about it.
 */

import { glide } from "./glide.js";

const TIMEOUT_MS = 10_000;

/** @type {Map<string, string>} */
const keys = new Map();

/**
 * @typedef {object} Call
 * @property {string} path
 * @property {string} [method]
 * @property {unknown} [body]
 * @property {string} [token]
 * @property {string} [press] names the press: its key is kept until it is answered for good
 */

/** @param {Call} call @returns {Promise<any>} the answer's JSON; throws `Problem` */
export async function request({ path, method = "POST", body, token, press }) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  if (press) {
    if (!keys.has(press)) keys.set(press, uuid());
    headers["idempotency-key"] = /** @type {string} */ (keys.get(press));
  }
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem("network", "", true);
  }
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (press && (response.ok || !answer?.retryable)) keys.delete(press);
  if (response.ok) return answer;
  throw new Problem(
    answer?.code ?? "other",
    answer?.detail ?? answer?.title ?? "",
    Boolean(answer?.retryable),
  );
}

/** `crypto.randomUUID` is missing on a page served over plain HTTP, as a kiosk in a shop's own network may be. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export class Problem extends Error {
  /** @param {string} code @param {string} detail @param {boolean} retryable */
  constructor(code, detail, retryable) {
    super(detail || code);
    this.code = code;
    this.detail = detail;
    this.retryable = retryable;
  }
}

/** A problem in the reader's words, ending in what to do. @param {unknown} error @param {any} words */
export function explain(error, words) {
  if (!(error instanceof Problem)) throw error;
  const key = `error_${error.code}`;
  if (words.has(key)) return words(key);
  const detail = error.detail ? `${error.detail.replace(/[.。]?$/, "")}.` : "";
  return words("error_other", { detail }).replace(/ {2,}/g, " ");
}

/**
 * Runs `task` with the button busy; says what went wrong in the nearest `[data-error]` and gives the answer, or null.
 * @template T @param {HTMLButtonElement} button @param {string} busyText @param {any} words @param {() => Promise<T>} task
 */
export async function busy(button, busyText, words, task) {
  if (button.getAttribute("aria-busy") === "true") return null;
  const error = button.closest("form, li, dialog, [data-replay], [data-kiosk]")?.querySelector("[data-error]");
  const around = button.closest(".face, [data-replay]") ?? document.body;
  const text = button.textContent;
  const show = (/** @type {string | null} */ label, /** @type {string} */ wrong) =>
    glide(around, () => {
      if (error) error.textContent = wrong;
      /* A small one keeps its text, and so its width: beside it the row's own text would wrap anew. */
      if (!button.classList.contains("small")) button.textContent = label;
    });
  let wrong = "";
  button.setAttribute("aria-busy", "true");
  button.style.minWidth = `${button.offsetWidth}px`;
  show(busyText, "");
  try {
    return await task();
  } catch (problem) {
    wrong = explain(problem, words);
    return null;
  } finally {
    button.removeAttribute("aria-busy");
    button.style.minWidth = "";
    show(text, wrong);
  }
}

/**
 * Redeeming and cancelling, by whichever button of `root` is pressed: a reward is set aside or had at once, as its button says. The
 * ticket or voucher itself arrives by the socket.
 * @param {HTMLElement} root @param {string} base `/web/v1` @param {any} words
 * @param {{token?: string, onHeld?: () => void}} [how]
 */
export function redeeming(root, base, words, how = {}) {
  root.addEventListener("click", async (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (!button) return;
    const { redeem, cancel } = button.dataset;
    if (redeem) {
      const claims = button.dataset.action === "claim";
      const place = /** @type {HTMLSelectElement | null | undefined} */ (
        button.closest("li")?.querySelector("select[data-place]:not([hidden])")
      );
      const body = claims || !place ? { reward: redeem } : { reward: redeem, store: place.value };
      const path = `${base}/${claims ? "claims" : "holds"}`;
      const press = `${path} ${redeem} ${place?.value ?? ""}`;
      const call = { path, body, token: how.token, press };
      if (await busy(button, words("redeeming"), words, () => request(call))) how.onHeld?.();
    } else if (cancel) {
      const path = `${base}/holds/${encodeURIComponent(cancel)}/void`;
      await busy(button, words("cancelling"), words, () =>
        request({ path, token: how.token, press: `void ${cancel}` }),
      );
    }
  });
}
