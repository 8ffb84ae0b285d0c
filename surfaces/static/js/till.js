/**
 * The till's page. The scan field has the focus whenever nothing else was chosen, because a scanner types wherever the focus is.
 *
 * Keys: Enter with an empty field completes, Esc backs out one step, F2 the scan field, F4 points, F6 vouchers, F8 a return; with
 * the field empty, up and down choose a line, + and − change it, Delete takes it off.
 */

import { moneyFormat, worthOf } from "./basket.js";
import { bind } from "./bind.js";
import { connectionLook, setChip } from "./face.js";
import { glide } from "./glide.js";
import { start } from "./live-page.js";
import { count } from "./motion.js";
import { explained } from "./quote-view.js";
import { say } from "./say.js";
import { Desk } from "./till-desk.js";
import { refunding } from "./till-refund.js";
import { read } from "./till-scan.js";
import { shown } from "./till-view.js";

const BALANCE_MS = 600;

const page = start();
const { config, words, format, locale } = page;
const tools = { ...page, money: moneyFormat(config.money), worth: worthOf(config.worth) };
const root = /** @type {HTMLElement} */ (document.querySelector("[data-till]"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const form = /** @type {HTMLFormElement} */ (find("[data-scan]"));
const scan = /** @type {HTMLInputElement} */ (find("#scan"));
const scanError = find("[data-scan-error]");
const completeButton = /** @type {HTMLButtonElement} */ (find("[data-complete]"));
const backOutButton = /** @type {HTMLButtonElement} */ (find("[data-back-out]"));
const points = /** @type {HTMLInputElement | null} */ (root.querySelector("[data-points]"));
const chip = find("[data-conn-chip]");
let turn = Promise.resolve();
/** What the chip says. @type {boolean | null} */
let lost = null;

const desk = new Desk(tools, { draw, say, done: home });
const refund = refunding(root, {
  token: config.token,
  lang: locale,
  words,
  reasonsKept: config.reasons_kept,
  lastPurchase: () => desk.state.last?.purchase ?? "",
  explain: (refusal) => explained(refusal, tools),
  onDone: (answer) => desk.refunded(answer),
  onClose: home,
});

/** @param {import("./till-view.js").TillState} state */
function draw(state) {
  const numbers = (/** @type {HTMLElement} */ el, /** @type {number} */ to) =>
    count(el, to, format.number, el.textContent ? BALANCE_MS : 0);
  const nobody = state.basket.empty && !state.member;
  /* A change is there at once, and its answer glides: two that glide at a time would be seen as a jump. */
  glide(root, () => bind(root, shown(state, tools), { numbers }), !state.asking);
  completeButton.disabled = state.basket.empty || !state.member;
  completeButton.setAttribute("aria-busy", String(state.waiting));
  backOutButton.disabled = state.waiting || nobody;
  if (points && document.activeElement !== points) points.value = format.number(state.basket.points);
  root.classList.toggle("locked", state.waiting);
  if (state.lost !== lost) connection(state.lost);
}

/** @param {boolean} isLost */
function connection(isLost) {
  lost = isLost;
  const look = connectionLook(lost ? "reconnecting" : "live", words);
  setChip(chip, look.shape, look.text, look.tone);
}

/** @param {string} text @param {string} [typed] what it was about, to be mended */
function scanFault(text, typed = "") {
  glide(root, () => {
    scanError.textContent = text;
  });
  if (!text) return scan.removeAttribute("aria-invalid");
  scan.setAttribute("aria-invalid", "true");
  if (!scan.value) scan.value = typed;
  scan.select();
}

/** A scanner does not wait: what it reads while a member is looked up is taken in its turn. */
function scanned() {
  const typed = scan.value.trim();
  scan.value = "";
  turn = turn.then(async () => {
    if (!typed) return scanFault(desk.complete());
    scanFault(await take(read(typed, config.articles, config.money.digits)), typed);
  });
}

/** Gives what is wrong with it, in words. @param {import("./till-scan.js").Scanned} found */
async function take(found) {
  switch (found.kind) {
    case "article":
      put(found.article, found.quantity);
      return "";
    case "amount":
      put({ sku: "OPEN", name: words("open_article"), category: "", amount: found.amount }, found.quantity);
      return "";
    case "voucher":
      if (!desk.state.member) return words("voucher_whose");
      if (desk.state.basket.empty) return words("voucher_first");
      if (!desk.state.basket.vouchers.includes(found.code)) desk.toggleVoucher(found.code);
      return "";
    case "member":
      return recognised(found.identifier);
    default:
      return words("scan_unknown");
  }
}

/** @param {{kind: string, value: string}} identifier */
async function recognised(identifier) {
  form.setAttribute("aria-busy", "true");
  try {
    await desk.recognise(identifier);
    return "";
  } catch (refusal) {
    return explained(refusal, tools);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

/** @param {import("./basket.js").Article} article @param {number} quantity */
function put(article, quantity) {
  desk.put(article, quantity);
  root.querySelector(".lines > :last-child")?.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLButtonElement} button @param {string} hold */
async function capture(button, hold) {
  if (button.getAttribute("aria-busy") === "true") return;
  const wrong = /** @type {HTMLElement} */ (button.closest("li")?.querySelector("[data-error]"));
  button.setAttribute("aria-busy", "true");
  wrong.textContent = "";
  try {
    await desk.capture(hold);
    home();
  } catch (refusal) {
    glide(root, () => {
      wrong.textContent = explained(refusal, tools);
    });
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** One step back: what was typed, then the sale. */
function backOut() {
  if (scan.value || scanError.textContent) {
    scan.value = "";
    scanFault("");
  } else desk.backOut();
  home();
}

/** The scanner's field, wherever the hands were. */
function home() {
  if (!root.querySelector("dialog[open]")) scan.focus({ preventScroll: true });
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (refund.isOpen()) return;
  const action = {
    F2: home,
    F4: () => points?.checkVisibility() && points.focus(),
    F6: () => /** @type {HTMLElement | null} */ (root.querySelector("[data-voucher]"))?.focus(),
    F8: refund.open,
    Escape: backOut,
  }[event.key];
  const chord = event.ctrlKey || event.metaKey || event.altKey;
  if (action) {
    event.preventDefault();
    action();
  } else if (chord) return;
  else if (document.activeElement === scan && !scan.value) lineKey(event);
  else if (document.activeElement === document.body && event.key.length === 1) home();
}

/** @param {KeyboardEvent} event */
function lineKey(event) {
  const { basket, picked } = desk.state;
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const by = { "+": 1, "-": -1, "−": -1, Delete: -Infinity }[event.key];
  if (basket.empty || (!step && !by)) return;
  event.preventDefault();
  if (step) {
    desk.pick(step);
    root.querySelector(".picked")?.scrollIntoView({ block: "nearest" });
  } else if (by) desk.change(picked, by);
}

root.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("button");
  if (!button || refund.isOpen()) return;
  const { less, more, article, voucher, capture: hold } = button.dataset;
  const { basket, quote } = desk.state;
  if (hold) capture(button, hold);
  else if (less) desk.change(Number(less), -1);
  else if (more) desk.change(Number(more), 1);
  else if (voucher && basket.empty) scanFault(words("voucher_first"));
  else if (voucher) desk.toggleVoucher(voucher);
  else if (article) put(config.articles.find((/** @type {any} */ one) => one.sku === article), 1);
  else if (button.matches("[data-complete]")) scanFault(desk.complete());
  else if (button.matches("[data-back-out]")) desk.backOut();
  else if (button.matches("[data-undo]")) desk.undo();
  else if (button.matches("[data-member-off]")) desk.memberOff();
  else if (button.matches("[data-refund-open]")) return refund.open();
  else if (button.matches("[data-points-less]")) desk.payWith(basket.points - tools.worth.stride);
  else if (button.matches("[data-points-more]")) desk.payWith(basket.points + tools.worth.stride);
  else if (button.matches("[data-points-most]")) desk.payWith(quote?.most_points ?? 0);
  else return;
  /* After a touch the scanner's field; the keyboard stays where it is, unless that went. */
  if (event.detail > 0 || !button.isConnected || button.disabled) home();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  scanned();
});
scan.addEventListener("input", () => scanError.textContent && scanFault(""));
points?.addEventListener("focus", () => points.select());
points?.addEventListener("change", () => {
  desk.payWith(Number(points.value.replace(/\D/g, "")));
  points.value = format.number(desk.state.basket.points);
});
points?.addEventListener("keydown", (event) => {
  const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (step) {
    event.preventDefault();
    desk.payWith(desk.state.basket.points + step * tools.worth.stride);
    points.value = format.number(desk.state.basket.points);
  } else if (event.key === "Enter") {
    /* Kept from the form of the field that has the focus next: it would complete the sale. */
    event.preventDefault();
    home();
  }
});
document.addEventListener("keydown", onKey);
desk.draw();
