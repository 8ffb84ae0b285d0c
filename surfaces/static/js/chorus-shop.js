/**
 * Two elements for a shop's own pages (`docs/shop.md`):
 *
 *     <script type="module" src="/embed/chorus-shop.js"></script>
 *     <chorus-earn sku="CD-JAZZ" name="Jazz CD" category="jazz" amount="1290"></chorus-earn>
 *     <chorus-cart></chorus-cart>
 *
 * `<chorus-earn>` says on an article's page what buying it earns and why, the member's price, and how far the next tier is.
 * `<chorus-cart>` is given the cart's lines (`cart.lines = [{sku, name, category, quantity, amount}]`, `amount` of one piece) and
 * shows them with what they earn, points and vouchers to pay with, and what is left to pay. It tells of each change by the event
 * `chorus-change`, whose detail is `{lines, points, vouchers, quote}`: what the shop's checkout sends with its order.
 *
 * Both ask as whoever is signed in by the page's cookie, and for anybody else what a new member would earn. What they show follows
 * the member's balance: when it changes anywhere, they ask again.
 *
 * @module
 */

import { Basket } from "./basket.js";
import { explained, nextOf, noteOf, paidOf, pendingOf, pointsText, reasonsOf, vouchersOf } from "./quote-view.js";
import { say } from "./say.js";
import { Quoted, known } from "./shop-quoted.js";

/** @typedef {import("./quote-view.js").QuoteTools} Tools */

const WHY = `
    <ul class="why" data-each="awards">
      <template>
        <li>
          <span data-bind="text"></span>
          <span class="num from-right" data-bind="points_text"></span>
        </li>
      </template>
    </ul>`;

export class ChorusEarn extends Quoted {
  static observedAttributes = ["sku", "name", "category", "amount", "quantity"];

  markup = `
    <p class="ce-earn" data-class="waiting=stale">
      <b class="num" data-bind="earn"></b>
    </p>
    ${WHY}
    <p class="ce-more">
      <b class="num ce-price" data-bind="price" data-show="price"></b>
      <span class="num" data-bind="next" data-show="next"></span>
      <span class="num" data-bind="pending" data-show="pending"></span>
      <a class="ce-join" data-word="join" data-attr="href=join" data-show="join" hidden></a>
    </p>
    <p class="err" role="alert" data-bind="wrong"></p>`;

  ready() {
    this.ask();
  }

  attributeChangedCallback() {
    if (this.tools) this.ask();
  }

  ask() {
    const read = (/** @type {string} */ name) => this.getAttribute(name) ?? "";
    this.basket = new Basket();
    const article = { sku: read("sku"), name: read("name"), category: read("category"), amount: Number(read("amount")) };
    if (article.sku && article.amount) this.basket.add(article, Number(read("quantity")) || 1);
    this.askBasket();
  }

  /** @param {Tools} tools */
  view(tools) {
    const { words } = tools;
    const { quote } = this;
    if (!quote) return { awards: [], wrong: this.refusal ? explained(this.refusal, tools) : "" };
    const visitor = !quote.version;
    const key = quote.earned ? (visitor ? "join_earn" : "earn") : "earn_none";
    const item = this.basket.items[0];
    const cheaper = item && item.price < item.amount ? item.price : quote.member_prices[0]?.amount;
    return {
      earn: words(key, { points: pointsText(quote.earned, tools) }),
      stale: this.asking,
      awards: reasonsOf(quote, tools),
      price: cheaper
        ? words(visitor ? "joined_price" : "your_price", { price: tools.money.money(cheaper) })
        : "",
      next: visitor ? "" : nextOf(quote, tools),
      pending: pendingOf(quote, tools),
      join: visitor ? this.joinHref : "",
      wrong: this.refusal && !this.refusal.retryable ? explained(this.refusal, tools) : "",
    };
  }
}

export class ChorusCart extends Quoted {
  markup = `
    <ul class="cc-lines" data-each="lines">
      <template>
        <li>
          <div class="what">
            <b data-bind="name"></b>
            <span class="note num" data-bind="note" data-show="note"></span>
            <span class="err" data-bind="wrong"></span>
          </div>
          <div class="qty">
            <button type="button" data-attr="data-less=id aria-label=less_label">−</button>
            <span class="num" data-bind="quantity"></span>
            <button type="button" data-attr="data-more=id aria-label=more_label">+</button>
          </div>
          <span class="num a from-right" data-bind="amount_text"></span>
        </li>
      </template>
    </ul>
    <p class="cc-empty" data-word="cart_empty" data-show="!lines"></p>
    <div class="cc-on" data-show="lines" hidden>
      <div class="cc-earn">
        <p class="ce-earn" data-class="waiting=stale">
          <b class="num" data-bind="earn"></b>
        </p>
        ${WHY}
        <p class="ce-more">
          <span class="num" data-bind="next" data-show="next"></span>
          <span class="num" data-bind="pending" data-show="pending"></span>
          <a class="ce-join" data-word="join" data-attr="href=join" data-show="join" hidden></a>
        </p>
      </div>
      <div class="cc-use" data-show="vouchers" hidden>
        <h3 data-word="vouchers"></h3>
        <ul class="vstack" data-each="vouchers">
          <template>
            <li>
              <div class="voucher" data-class="on=on">
                <div class="stub num" data-bind="stub"></div>
                <div class="b">
                  <p class="v" data-bind="name"></p>
                  <p class="c num" data-bind="note"></p>
                </div>
                <div class="a">
                  <button class="btn small" type="button" data-attr="data-voucher=code aria-label=label aria-pressed=pressed" data-bind="action"></button>
                </div>
              </div>
            </li>
          </template>
        </ul>
      </div>
      <div class="cc-use cc-points" data-show="payable" hidden>
        <h3 data-word="points"></h3>
        <div class="cc-slide">
          <input type="range" min="0" data-slide data-attr="aria-valuetext=points_text">
          <button class="btn small ghost" type="button" data-word="points_most" data-most></button>
        </div>
        <p class="num hint" data-bind="points_text"></p>
      </div>
      <p class="err cc-told" role="alert" data-bind="told"></p>
      <dl class="cc-sum">
        <div>
          <dt data-word="total"></dt>
          <dd class="num from-right" data-bind="total_text"></dd>
        </div>
      </dl>
      <dl class="cc-sum" data-each="paid" data-show="paid">
        <template>
          <div>
            <dt data-bind="text"></dt>
            <dd class="num from-right" data-bind="amount_text"></dd>
          </div>
        </template>
      </dl>
      <p class="cc-due">
        <span data-word="due"></span>
        <strong class="num from-right" data-bind="due_text" data-class="waiting=stale"></strong>
      </p>
      <p class="hint num cc-after" data-bind="after"></p>
    </div>`;

  /** @type {any[]} */
  #given = [];

  /** The cart as the shop has it; `amount`: minor units a piece. @param {any[]} lines */
  set lines(lines) {
    this.#given = lines;
    const { points, vouchers } = this.basket;
    this.basket = new Basket();
    for (const { sku, name, category = "", amount, quantity } of lines)
      this.basket.add({ sku, name, category, amount }, quantity);
    if (!this.basket.empty) Object.assign(this.basket, { points, vouchers });
    this.ask();
  }

  get lines() {
    return this.#given;
  }

  ready() {
    const slide = /** @type {HTMLInputElement} */ (this.querySelector("[data-slide]"));
    slide.setAttribute("aria-label", /** @type {Tools} */ (this.tools).words("slider"));
    slide.addEventListener("input", () => this.pay(Number(slide.value)));
    this.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (!button) return;
      const { less, more, voucher } = button.dataset;
      if (less) this.change(Number(less), -1);
      else if (more) this.change(Number(more), 1);
      else if (voucher) {
        this.basket.toggleVoucher(voucher);
        this.ask();
      } else if (button.matches("[data-most]")) this.pay(this.quote?.most_points ?? 0);
    });
    this.ask();
  }

  /** @param {number} id @param {number} by */
  change(id, by) {
    this.basket.change(id, by);
    this.#given = this.basket.items.map(({ sku, name, category, amount, quantity }) => ({
      sku,
      name,
      category,
      amount,
      quantity,
    }));
    if (this.basket.empty) this.basket.forgetMember();
    this.ask();
    this.tellShop();
  }

  /** @param {number} points */
  pay(points) {
    const { worth } = /** @type {Tools} */ (this.tools);
    this.basket.points = worth.whole(Math.min(points, this.quote?.most_points ?? 0));
    this.ask();
  }

  onQuoted() {
    const { words } = /** @type {Tools} */ (this.tools);
    say(this.told || words("said_due", { money: this.quote.due_text }));
    this.tellShop();
  }

  tellShop() {
    const { points, vouchers } = this.basket;
    const detail = { lines: this.#given, points, vouchers: [...vouchers], quote: this.quote };
    this.dispatchEvent(new CustomEvent("chorus-change", { detail, bubbles: true }));
  }

  draw() {
    super.draw();
    const slide = /** @type {HTMLInputElement | null} */ (this.querySelector("[data-slide]"));
    if (!slide || !this.tools) return;
    const most = this.quote?.most_points ?? 0;
    const { stride } = this.tools.worth;
    const step = Math.min(stride, most) || 1;
    slide.step = String(step);
    slide.max = String(Math.floor(most / step) * step);
    slide.value = String(this.basket.points);
  }

  /** @param {Tools} tools */
  view(tools) {
    const { words, money, config } = tools;
    const { basket, quote } = this;
    const visitor = !quote?.version;
    const earned = quote?.earned ?? 0;
    const points = { points: pointsText(earned, tools) };
    const paying = { points: pointsText(basket.points, tools), money: money.money(tools.worth.amount(basket.points)) };
    const after = quote?.balance_after ?? 0;
    return {
      lines: basket.items.map((item) => ({
        ...item,
        note: noteOf(item, tools),
        amount_text: money.money(item.price * item.quantity),
        less_label: words("fewer", { name: item.name }),
        more_label: words("one_more", { name: item.name }),
        wrong: "",
      })),
      earn: quote ? words(visitor ? "join_earn" : "cart_earns", points) : "",
      stale: this.asking,
      awards: quote ? reasonsOf(quote, tools) : [],
      next: quote && !visitor ? nextOf(quote, tools) : "",
      pending: quote ? pendingOf(quote, tools) : "",
      join: quote && visitor ? this.joinHref : "",
      vouchers: vouchersOf(basket, quote, this.offered, known, tools),
      payable: Boolean(quote?.most_points),
      points_text: basket.points ? words("slider_value", paying) : words("up_to", { most: quote?.most_text ?? "" }),
      told: this.told || (this.refusal ? explained(this.refusal, tools) : ""),
      total_text: money.money(basket.total),
      paid: paidOf(quote, tools),
      due_text: quote ? quote.due_text : money.money(basket.total),
      after:
        quote && !visitor
          ? words("after", {
              n: tools.format.number(after),
              unit: after === 1 ? config.points.one : config.points.other,
            })
          : "",
    };
  }
}

customElements.define("chorus-earn", ChorusEarn);
customElements.define("chorus-cart", ChorusCart);
