/**
 * "What would I earn?" on the kiosk. It lives beside the kiosk's own module: it opens over the session, closes with it, and leaves
 * nothing of the member behind. Its panel stands outside the kiosk's face, which draws all that is in it from its own view; a key
 * pressed is told to the face as a touch, so that the session stays while somebody counts.
 */

import { moneyFormat, worthOf } from "./basket.js";
import { bind } from "./bind.js";
import { quoting } from "./chorus-quote.js";
import { formats, wording } from "./format.js";
import { explained, nextOf, pointsText, reasonsOf } from "./quote-view.js";
import { hush, say } from "./say.js";

const MOST_DIGITS = 7;

const page = JSON.parse(document.getElementById("chorus")?.textContent ?? "{}");
const dialog = /** @type {HTMLDialogElement} */ (document.querySelector("[data-quote]"));
const opener = /** @type {HTMLElement} */ (document.querySelector("[data-quote-open]"));
const session = /** @type {HTMLElement} */ (opener.closest("[data-show=member]"));

/** @type {import("./quote-view.js").QuoteTools | null} */
let tools = null;
/** @type {ReturnType<typeof quoting> | null} */
let quotes = null;
let digits = "";
/** @type {any} */
let quote = null;
let asking = false;
/** @type {any} */
let refusal = null;

document.body.append(dialog);
for (const kind of ["pointerdown", "keydown"])
  dialog.addEventListener(kind, () => opener.dispatchEvent(new Event("pointerdown", { bubbles: true })));

async function setUp() {
  if (tools) return;
  const config = await (await fetch(`/embed/shop.json?lang=${page.locale}`)).json();
  const format = formats(config.locale, config.zone);
  const words = wording(config.words, format);
  const money = moneyFormat(config.money);
  const ready = { config, format, words, money, worth: worthOf(config.worth) };
  tools = ready;
  quotes = quoting({
    url: "/kiosk/v1/quotes",
    token: page.token,
    lang: page.locale,
    onQuote(answer) {
      say(`${money.money(Number(digits))}, ${pointsText(answer.earned, ready)}`);
      quote = answer;
      asking = false;
      refusal = null;
      draw();
    },
    onRefusal(fault) {
      refusal = fault;
      asking = false;
      draw();
    },
  });
}

function draw() {
  if (!tools) return;
  const minor = Number(digits);
  const said = quote && minor ? quote : null;
  bind(dialog, {
    amount: tools.money.money(minor),
    earn: said ? pointsText(said.earned, tools) : "",
    stale: asking,
    awards: said ? reasonsOf(said, tools) : [],
    next: said ? nextOf(said, tools) : "",
    wrong: refusal ? explained(refusal, tools) : "",
  });
}

/** @param {string} key */
function press(key) {
  if (!tools || !quotes) return;
  digits = key === "back" ? digits.slice(0, -1) : `${digits}${key}`.replace(/^0+/, "").slice(0, MOST_DIGITS);
  const total = Number(digits);
  asking = total > 0;
  refusal = null;
  if (total) {
    const lines = [{ sku: "BASKET", quantity: 1, amount: total, name: "", category: "" }];
    quotes.ask({ channel: "store", currency: tools.config.money.code, total, lines, points: 0, vouchers: [] });
  } else {
    quote = null;
    quotes.forget();
  }
  draw();
}

function close() {
  if (dialog.open) dialog.close();
}

opener.addEventListener("click", async () => {
  dialog.showModal();
  await setUp().catch(close);
  draw();
});
dialog.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("button");
  if (button?.dataset.key) press(button.dataset.key);
  else if (button?.matches("[data-quote-close]")) close();
});
dialog.addEventListener("keydown", (event) => {
  if (/^\d$/.test(event.key)) press(event.key);
  else if (event.key === "Backspace") press("back");
});
dialog.addEventListener("close", () => {
  digits = "";
  quote = null;
  asking = false;
  refusal = null;
  quotes?.forget();
  hush();
  draw();
});
/* The session ended, by whichever way: a modal dialog would go on covering the next one's screen. */
new MutationObserver(() => session.hidden && close()).observe(session, { attributeFilter: ["hidden"] });
