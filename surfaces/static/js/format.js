/**
 * Numbers and dates in the browser, the same as `surfaces/wording/formats.py` writes on the server; a test holds the
 * two side by side. A minus is U+2212.
 */

/** @param {string} locale @param {string} zone the programme's, as the server uses it */
export function formats(locale, zone) {
  const numbers = new Intl.NumberFormat(locale);
  const plural = new Intl.PluralRules(locale);
  const day = new Intl.DateTimeFormat(locale === "en" ? "en" : "en-u-nu-latn", {
    timeZone: zone,
    year: "numeric",
    month: locale === "en" ? "short" : "numeric",
    day: "numeric",
  });
  const clock = new Intl.DateTimeFormat("en", {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  const parts = (/** @type {Intl.DateTimeFormat} */ format, /** @type {Date} */ date) =>
    Object.fromEntries(format.formatToParts(date).map(({ type, value }) => [type, value]));
  const number = (/** @type {number} */ n) => numbers.format(n).replace("-", "−");
  return {
    number,
    /** `+445`, `−2,500`, empty for 0. @param {number} n */
    signed: (n) => (n > 0 ? `+${number(n)}` : n ? number(n) : ""),
    /** `12 Dec 1997`, `1997年12月12日`. @param {Date} date */
    date(date) {
      const { year, month, day: d } = parts(day, date);
      return locale === "en" ? `${d} ${month} ${year}` : `${year}年${month}月${d}日`;
    },
    /** `14:31:52`. @param {Date} date */
    clock(date) {
      const { hour, minute, second } = parts(clock, date);
      return `${hour}:${minute}:${second}`;
    },
    /** Between two sentences: Chinese has no space there. */
    joiner: locale === "en" ? " " : "",
    /** `one` or `other`. @param {number} n */
    form: (n) => (plural.select(n) === "one" ? "one" : "other"),
  };
}

/**
 * The words of a page: `say("ms", {n: 84})`; with a count, `say.count("caught_up", 1)`.
 * @param {Record<string, string>} words @param {ReturnType<typeof formats>} format
 */
export function wording(words, format) {
  const say = (/** @type {string} */ key, /** @type {Record<string, unknown>} */ values = {}) =>
    words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  say.count = (/** @type {string} */ key, /** @type {number} */ n) =>
    say(`${key}_${format.form(n)}`, { n: format.number(n) });
  say.has = (/** @type {string} */ key) => key in words;
  return say;
}
