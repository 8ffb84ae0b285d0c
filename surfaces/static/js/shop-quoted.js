/**
 * What the shop's elements have in common: settings and words, a basket and its newest quote, and one socket for all of a page
 * that has them ask again when the member's balance changes anywhere.
 */

import { Basket, moneyFormat, worthOf } from "./basket.js";
import { bind } from "./bind.js";
import { connect } from "./chorus-live.js";
import { quoting } from "./chorus-quote.js";
import { formats, wording } from "./format.js";
import { glide } from "./glide.js";
import { leftOutText } from "./quote-view.js";

/** @typedef {import("./quote-view.js").QuoteTools} Tools */

/** Settings and words: of the page's own data block, or else asked for once. @type {Promise<Tools> | undefined} */
let tools;

const setUp = () => {
  tools ??= settings().then((config) => {
    const format = formats(config.locale, config.zone);
    const words = wording(config.words, format);
    return { config, words, format, money: moneyFormat(config.money), worth: worthOf(config.worth) };
  });
  return tools;
};

async function settings() {
  const own = JSON.parse(document.getElementById("chorus")?.textContent || "null");
  if (own?.words?.cart_earns) return own;
  const address = new URL("/embed/shop.json", import.meta.url);
  address.searchParams.set("lang", document.documentElement.lang);
  return (await fetch(address)).json();
}

/** Everything on the page that shows a quote, by one socket. @type {Set<{heard: (version: number) => void}>} */
const followers = new Set();
/** The member's vouchers by code, as the view has them. @type {Map<string, any>} */
export let known = new Map();
/** @type {ReturnType<typeof connect> | null} */
let live = null;

/** A quote of version 0 is a visitor's: there is nobody to follow. @param {any} quote @param {Tools} tools */
function follow(quote, { config }) {
  if (live || !quote.version) return;
  live = connect({
    surface: "web",
    token: config.token,
    locale: config.locale,
    onState(frame) {
      known = new Map((frame.view.vouchers ?? []).map((/** @type {any} */ one) => [one.code, one]));
      for (const one of followers) one.heard(frame.version);
      document.dispatchEvent(new CustomEvent("chorus-balance", { detail: frame.view }));
    },
  });
}

export class Quoted extends HTMLElement {
  basket = new Basket();
  /** @type {any} */
  quote = null;
  asking = false;
  refusal = /** @type {any} */ (null);
  told = "";
  /** @type {Map<string, any>} */
  offered = new Map();
  /** @type {ReturnType<typeof quoting> | null} */
  quotes = null;
  /** @type {Tools | null} */
  tools = null;

  async connectedCallback() {
    if (this.tools) return;
    const tools = await setUp();
    this.tools = tools;
    this.innerHTML = this.markup;
    for (const el of this.querySelectorAll("[data-word]"))
      el.textContent = tools.words(/** @type {HTMLElement} */ (el).dataset.word ?? "");
    followers.add(this);
    this.quotes = quoting({
      url: "/web/v1/quotes",
      token: tools.config.token,
      lang: tools.config.locale,
      onQuote: (quote, quoted, leftOut) => {
        Object.assign(this, { quote: { ...quote, of: quoted }, asking: false, refusal: null });
        this.told = leftOutText(leftOut, quoted, tools);
        for (const one of quote.vouchers) this.offered.set(one.code, one);
        this.basket.points = quoted.points;
        this.basket.vouchers = [...quoted.vouchers];
        follow(quote, tools);
        if (quote.version && this.basket.reprice(quote.member_prices)) this.askBasket();
        this.draw();
        this.onQuoted();
      },
      onRefusal: (refusal) => {
        this.refusal = refusal;
        this.draw();
      },
    });
    this.ready();
  }

  disconnectedCallback() {
    followers.delete(this);
    this.quotes?.forget();
  }

  ask() {
    this.askBasket();
  }

  askBasket() {
    if (!this.tools || !this.quotes) return;
    this.asking = !this.basket.empty;
    if (this.basket.empty) {
      this.quote = null;
      this.quotes.forget();
    } else {
      const { config } = this.tools;
      const channel = this.getAttribute("channel") ?? config.channel ?? "web";
      this.quotes.ask(this.basket.body({ channel, currency: config.money.code }));
    }
    this.draw();
  }

  /** The member is at this version now. @param {number} version */
  heard(version) {
    if (this.quote && version > this.quote.version) this.quotes?.again();
    else this.draw();
  }

  draw() {
    const { tools } = this;
    /* A first change is there at once, and its answer glides: two that glide at a time would be seen as a jump. */
    if (tools) glide(document.body, () => bind(this, this.view(tools)), !this.asking);
  }

  get joinHref() {
    return this.getAttribute("join-href") ?? "";
  }

  /* What differs: its markup, its start, its view. */
  markup = "";
  ready() {}
  onQuoted() {}
  /** @param {Tools} _tools @returns {any} */
  view(_tools) {
    return {};
  }
}
