/**
 * What happens at a till, without its screen: the basket, the member, the quote that follows them, and a sale that is
 * completed once. `draw` is called with the state whenever it changed.
 */

import { Basket } from "./basket.js";
import { quoting, send } from "./chorus-quote.js";
import { explained, leftOutText } from "./quote-view.js";
import { follower } from "./till-member.js";
import { saleNumber, seller } from "./till-sale.js";

/** A sale is not completed before its quote is there (a member's price may be in it), unless that takes so long. */
const QUOTE_MS = 2_500;

/** @typedef {import("./till-view.js").TillState} TillState */
/** @typedef {{kind: string, value: string}} Identifier */

export class Desk {
  /** @type {TillState} */
  state = {
    basket: new Basket(),
    member: null,
    quote: null,
    asking: false,
    refusal: null,
    picked: 0,
    told: "",
    toldBad: false,
    undo: false,
    asOf: "",
    last: null,
    waiting: false,
    lost: false,
    offered: new Map(),
  };
  /** @type {Identifier | null} */
  #who = null;
  /** What was backed out of, for as long as it can be brought back. @type {{basket: Basket, who: Identifier | null} | null} */
  #before = null;
  #sale = "";
  #completing = 0;

  /**
   * @param {import("./quote-view.js").QuoteTools & {locale: string}} tools
   * @param {{draw: (state: TillState) => void, say: (text: string) => void, done: () => void}} screen
   *   `done`: something is over, the next thing is scanned
   */
  constructor(tools, screen) {
    const { token, as_of } = tools.config;
    const lang = tools.locale;
    this.tools = tools;
    this.screen = screen;
    /** The server's time less that of this page: a till's own clock may be wrong by more than the programme allows. */
    this.server = Date.parse(as_of) - performance.now();
    this.call = { token, lang };
    this.quotes = quoting({
      url: "/pos/v1/quotes",
      token,
      lang,
      onQuote: (quote, quoted, leftOut) => this.#quoted(quote, quoted, leftOut),
      onRefusal: (refusal) => this.#refused(refusal),
    });
    this.sales = seller({ device: tools.config.device, token, lang, onWaiting: () => this.#unanswered() });
    this.members = follower({
      token,
      lang,
      onView: (shown) => this.#viewed(shown),
      onLine: (lost) => this.#line(lost),
    });
    const left = this.sales.left();
    if (left) this.#finish(() => this.sales.settle(left), left);
  }

  draw() {
    this.screen.draw(this.state);
  }

  /** @param {string} text @param {{bad?: boolean, undo?: boolean}} [how] */
  tell(text, { bad = false, undo = false } = {}) {
    Object.assign(this.state, { told: text, toldBad: bad, undo });
    if (text) this.screen.say(text);
  }

  get locked() {
    return this.state.waiting;
  }

  now() {
    return new Date(this.server + performance.now());
  }

  // -- the basket ----------------------------------------------------------------------------------------------------

  /** @param {import("./basket.js").Article} article @param {number} [quantity] */
  put(article, quantity = 1) {
    if (this.locked) return;
    this.state.picked = this.state.basket.add(article, quantity).id;
    this.#changed();
  }

  /** @param {number} id @param {number} by */
  change(id, by) {
    if (this.locked) return;
    const { basket } = this.state;
    const at = basket.items.findIndex((item) => item.id === id);
    basket.change(id, by);
    const there = basket.items.some((item) => item.id === id);
    this.state.picked = there ? id : (basket.items[Math.min(at, basket.items.length - 1)]?.id ?? 0);
    this.#changed();
  }

  /** @param {number} step */
  pick(step) {
    const { items } = this.state.basket;
    const at = items.findIndex((item) => item.id === this.state.picked);
    this.state.picked = items[Math.max(0, Math.min(items.length - 1, at + step))].id;
    this.draw();
  }

  /** @param {string} code */
  toggleVoucher(code) {
    if (this.locked) return;
    this.state.basket.toggleVoucher(code);
    this.#changed();
  }

  /** As many as may. @param {number} wanted */
  payWith(wanted) {
    const { basket, member, quote } = this.state;
    if (this.locked || basket.empty || !member) return;
    basket.points = this.tools.worth.whole(Math.min(wanted, quote?.most_points ?? 0));
    this.#changed();
  }

  #changed() {
    clearTimeout(this.#completing);
    this.#completing = 0;
    this.#sale = "";
    this.tell("");
    if (!this.state.basket.empty || this.state.member) {
      this.state.last = null;
      this.#before = null;
    }
    this.#ask();
  }

  #ask() {
    const { state } = this;
    state.refusal = null;
    state.asking = !state.basket.empty;
    if (state.basket.empty) {
      state.quote = null;
      this.quotes.forget();
    } else this.quotes.ask(this.#body());
    this.draw();
  }

  #body() {
    const { config } = this.tools;
    const made = this.state.basket.body({ channel: config.channel, currency: config.money.code });
    return this.#who ? { ...made, member: this.#who } : made;
  }

  /** @param {any} quote @param {any} quoted @param {import("./chorus-quote.js").LeftOut} leftOut */
  #quoted(quote, quoted, leftOut) {
    const { state } = this;
    const { words, format } = this.tools;
    Object.assign(state, { quote: { ...quote, of: quoted }, asking: false, refusal: null });
    for (const one of quote.vouchers) state.offered.set(one.code, one);
    state.basket.points = quoted.points;
    state.basket.vouchers = [...quoted.vouchers];
    const less = leftOutText(leftOut, quoted, this.tools);
    if (less) {
      clearTimeout(this.#completing);
      this.#completing = 0;
      this.tell(less, { bad: true });
    } else {
      const gain = words("said_points", { n: format.number(quote.earned) });
      this.screen.say(`${words("said_due", { money: quote.due_text })}${format.joiner}${gain}`);
    }
    this.#line(false);
    if (state.member && state.basket.reprice(quote.member_prices)) return this.#ask();
    this.draw();
    if (this.#completing) this.#send();
  }

  /** @param {import("./chorus-quote.js").Refusal} refusal */
  #refused(refusal) {
    this.state.refusal = refusal;
    if (refusal.retryable) this.#line(true);
    else {
      clearTimeout(this.#completing);
      this.#completing = 0;
      this.state.asking = false;
      this.tell(explained(refusal, this.tools), { bad: true });
    }
    this.draw();
  }

  // -- the member ----------------------------------------------------------------------------------------------------

  /** Throws `Refusal` where nobody is found; who stood here still does. @param {Identifier} identifier */
  async recognise(identifier) {
    if (this.locked) return;
    const previous = this.#who;
    try {
      await this.members.follow(identifier);
    } catch (refusal) {
      if (previous) this.members.follow(previous).catch(() => this.#line(true));
      throw refusal;
    }
    this.#who = identifier;
    this.state.basket.forgetMember();
    this.state.offered.clear();
    this.#changed();
  }

  memberOff() {
    if (this.locked) return;
    this.#leave();
    this.state.basket.forgetMember();
    this.#changed();
    this.screen.done();
  }

  #leave() {
    this.members.forget();
    this.#who = null;
    this.state.member = null;
    this.state.offered.clear();
  }

  /** @param {any} shown */
  #viewed(shown) {
    this.server = Date.parse(shown.as_of) - performance.now();
    const newer = this.state.member?.member === shown.view.member;
    this.state.member = shown.view;
    this.draw();
    if (newer && !this.state.basket.empty && !this.locked) this.quotes.again();
  }

  /** @param {boolean} lost */
  #line(lost) {
    const { state } = this;
    if (lost === state.lost) return;
    state.lost = lost;
    const time = this.tools.format.clock(this.now());
    state.asOf = lost ? this.tools.words("as_of", { time }) : "";
    this.draw();
  }

  /** Hand over what is kept for the member. Throws `Refusal`. @param {string} hold */
  async capture(hold) {
    const { member } = this.state;
    const held = member?.holds.find((/** @type {any} */ one) => one.id === hold);
    if (!held) return;
    const paid = held.due;
    /* A hold is captured once whatever happens, so its own number is the key. */
    const key = `capture-${member.member}-${hold}-${paid}`;
    const path = `/pos/v1/members/${member.member}/holds/${encodeURIComponent(hold)}/capture`;
    await send({ path, body: { paid }, key, ...this.call });
    this.tell(this.tools.words("collected", { name: held.name }));
    this.draw();
  }

  // -- the sale ------------------------------------------------------------------------------------------------------

  /** Gives what stands in the way, in words; empty where nothing does. */
  complete() {
    const { basket, member, asking } = this.state;
    if (this.locked || this.#completing) return "";
    if (basket.empty) return this.tools.words("why_empty");
    if (!member) return this.tools.words("why_nobody");
    if (asking) this.#completing = window.setTimeout(() => this.#send(), QUOTE_MS);
    else this.#send();
    return "";
  }

  #send() {
    clearTimeout(this.#completing);
    this.#completing = 0;
    this.quotes.forget();
    const at = this.now();
    this.#sale ||= saleNumber(this.tools.config.till, at);
    const sale = { ...this.#body(), id: this.#sale, occurred_at: at.toISOString() };
    this.#finish(() => this.sales.complete(sale), sale);
  }

  /** @param {() => Promise<any>} send @param {any} sale */
  async #finish(send, sale) {
    this.state.waiting = true;
    this.tell("");
    this.draw();
    try {
      this.#sold(await send(), sale);
    } catch (refusal) {
      this.state.waiting = false;
      this.#refused(/** @type {any} */ (refusal));
    }
    this.screen.done();
  }

  #unanswered() {
    this.#line(true);
    this.tell(this.tools.words("sale_waiting"), { bad: true });
    this.draw();
  }

  /** @param {any} answer @param {any} sale */
  #sold(answer, sale) {
    const { words, format, money, config } = this.tools;
    const name = this.state.member?.name ?? words("member");
    const points = format.signed(answer.earned) || "0";
    const due = money.money(answer.due);
    const unit = answer.balance === 1 ? config.points.one : config.points.other;
    this.state.waiting = false;
    this.state.basket = new Basket();
    this.#leave();
    this.#line(false);
    this.#changed();
    this.state.last = {
      purchase: answer.purchase_id,
      due,
      text: words("last_text", { n: sale.id, money: due, points }),
      balance: words("last_balance", { name, n: format.number(answer.balance), unit }),
      receipt: answer.receipt.url,
    };
    this.tell(words("sold", { points }));
    this.draw();
  }

  /** The sale goes; it can be brought back until the next one begins. */
  backOut() {
    const { basket, member } = this.state;
    if (this.locked || (basket.empty && !member)) return;
    const before = { basket, who: this.#who };
    this.state.basket = new Basket();
    this.#leave();
    this.#changed();
    this.#before = before;
    this.tell(this.tools.words("backed_out"), { undo: true });
    this.draw();
  }

  async undo() {
    const before = this.#before;
    if (!before || this.locked) return;
    this.state.basket = before.basket;
    this.#who = before.who;
    if (before.who) await this.members.follow(before.who).catch(() => this.#line(true));
    this.#changed();
    this.screen.done();
  }

  /** @param {any} answer of a return */
  refunded(answer) {
    const { words, format, money } = this.tools;
    const n = format.number(answer.taken_back);
    if (this.state.last?.purchase === answer.purchase_id) this.state.last = null;
    this.tell(words("refunded", { money: money.money(answer.refund), n, reason: answer.reason }));
    this.draw();
  }
}
