/** The demo's shop page: a cart of its own, handed to the modules as any shop would. */

import "./chorus-shop.js";
import { start } from "./live-page.js";
import { count } from "./motion.js";
import { say } from "./say.js";

const SLOT = "chorus-shop-cart";
const { words, format } = start();
const cart = /** @type {import("./chorus-shop.js").ChorusCart} */ (document.querySelector("chorus-cart"));
const balance = /** @type {HTMLElement | null} */ (document.querySelector("[data-balance]"));

/** @type {any[]} */
let lines = kept();
cart.lines = lines;

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-add]");
  if (!(button instanceof HTMLElement)) return;
  const { sku, name, category } = button.dataset;
  const amount = Number(button.dataset.amount);
  const there = lines.find((line) => line.sku === sku);
  lines = there
    ? lines.map((line) => (line === there ? { ...line, quantity: line.quantity + 1 } : line))
    : [...lines, { sku, name, category, amount, quantity: 1 }];
  cart.lines = lines;
  keep();
  say(words("added", { name }));
});
cart.addEventListener("chorus-change", (event) => {
  lines = /** @type {CustomEvent} */ (event).detail.lines;
  keep();
});
document.addEventListener("chorus-balance", (event) => {
  const { points, unit } = /** @type {CustomEvent} */ (event).detail.balance;
  if (!balance) return;
  count(/** @type {HTMLElement} */ (balance.querySelector("b")), points, format.number, 600);
  /** @type {HTMLElement} */ (balance.querySelector("span")).textContent = unit;
});

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(SLOT) ?? "[]");
  } catch {
    return [];
  }
}

function keep() {
  try {
    sessionStorage.setItem(SLOT, JSON.stringify(lines));
  } catch {
    /* Storage may be forbidden; the cart lasts as long as the page. */
  }
}
