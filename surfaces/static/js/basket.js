/** A basket that is being made: articles with their prices, points that pay for part of it, vouchers. It knows no server. */

/**
 * @typedef {{sku: string, name: string, category: string, amount: number}} Article `amount`: minor units a piece
 * @typedef {Article & {id: number, quantity: number, price: number}} Item `price`: what is asked, the member's where it is less
 */

const MOST_PIECES = 999;

export class Basket {
  /** @type {Item[]} */
  items = [];
  points = 0;
  /** @type {string[]} */
  vouchers = [];
  #made = 0;

  get empty() {
    return !this.items.length;
  }

  get total() {
    return this.items.reduce((sum, item) => sum + item.price * item.quantity, 0);
  }

  get pieces() {
    return this.items.reduce((sum, item) => sum + item.quantity, 0);
  }

  /** More of what is there already, or a new line. @param {Article} article @param {number} [quantity] @returns {Item} */
  add(article, quantity = 1) {
    const there = this.items.find((item) => item.sku === article.sku && item.amount === article.amount);
    if (there) {
      there.quantity = Math.min(MOST_PIECES, there.quantity + quantity);
      return there;
    }
    const item = { ...article, id: ++this.#made, quantity: Math.min(MOST_PIECES, quantity), price: article.amount };
    this.items.push(item);
    return item;
  }

  /** None of it takes the line away. @param {number} id @param {number} by */
  change(id, by) {
    const item = this.items.find((one) => one.id === id);
    if (!item) return;
    item.quantity = Math.min(MOST_PIECES, item.quantity + by);
    if (item.quantity <= 0) this.items = this.items.filter((one) => one !== item);
  }

  /** @param {string} code */
  toggleVoucher(code) {
    this.vouchers = this.vouchers.includes(code)
      ? this.vouchers.filter((one) => one !== code)
      : [...this.vouchers, code];
  }

  /** The member's own prices; tells whether anything became cheaper. @param {{line: number, amount: number}[]} prices */
  reprice(prices) {
    let cheaper = false;
    for (const { line, amount } of prices) {
      const item = this.items[line];
      if (!item || amount >= item.price) continue;
      item.price = amount;
      cheaper = true;
    }
    return cheaper;
  }

  /** What belongs to the member goes; what is bought stays, at the price for everybody. */
  forgetMember() {
    for (const item of this.items) item.price = item.amount;
    this.points = 0;
    this.vouchers = [];
  }

  /** As a request has it. @param {{channel: string, currency: string}} where */
  body({ channel, currency }) {
    const lines = this.items.map(({ sku, name, category, quantity, price }) => ({
      sku,
      quantity,
      amount: price * quantity,
      name,
      category,
    }));
    const { total, points, vouchers } = this;
    return { channel, currency, total, lines, points, vouchers: [...vouchers] };
  }
}

/**
 * Money as the server writes it (`surfaces/wording/formats.py`).
 * @param {{symbol: string, digits: number}} money
 */
export function moneyFormat({ symbol, digits }) {
  const grouped = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  /** `35.60` @param {number} minor */
  const plain = (minor) => grouped.format(Math.abs(minor) / 10 ** digits);
  return {
    plain,
    /** `US$35.60`, `−US$5.00` @param {number} minor */
    money: (minor) => `${minor < 0 ? "−" : ""}${symbol}${plain(minor)}`,
  };
}

/**
 * How many points may pay, as the programme counts: only so many as come to whole minor units.
 * @param {{points: number, amount: number} | null} worth
 */
export function worthOf(worth) {
  const divisor = (/** @type {number} */ a, /** @type {number} */ b) => (b ? divisor(b, a % b) : a);
  const step = worth ? worth.points / divisor(worth.points, worth.amount) : 1;
  return {
    step,
    /** A stride that a finger or an arrow key makes: what the programme states its worth in. */
    stride: worth ? worth.points : 1,
    /** @param {number} points */
    whole: (points) => Math.max(0, Math.floor(points / step) * step),
    /** Minor units. @param {number} points */
    amount: (points) => (worth ? (points * worth.amount) / worth.points : 0),
  };
}
