/** The wall's measures: a lane for each face, median and 95th of the last samples, the version, how many faces have it. */

const SAMPLES = 200;

/** The value under which a share of the samples lies (nearest rank). @param {number[]} samples @param {number} share */
export function percentile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** @param {import("./live-page.js").PageTools} tools @param {number} target */
export function lagPlot({ words, format }, target) {
  const axis = Math.max(300, Math.floor((target * 6) / 5));
  /** @type {number[]} */
  let samples = [];
  const lane = (/** @type {string} */ id) =>
    /** @type {HTMLElement} */ (document.querySelector(`[data-lane="${id}"]`));
  const cell = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (document.querySelector(`[data-${name}]`));
  const isLate = (/** @type {number | null} */ ms) => ms !== null && ms > target;

  /** @param {string} name @param {string} text @param {string} [unit] */
  function write(name, text, unit = "") {
    const el = cell(name);
    el.textContent = text;
    if (unit) el.append(Object.assign(document.createElement("small"), { textContent: unit }));
  }

  return {
    isLate,
    /** @param {string} id @param {number} ms */
    measured(id, ms) {
      const row = lane(id);
      row.classList.remove("none");
      row.classList.toggle("late", isLate(ms));
      const text = words("ms", { n: format.number(ms) });
      /** @type {HTMLElement} */ (row.querySelector(".ms")).textContent = text;
      /** @type {HTMLElement} */ (row.querySelector(".ax")).style.setProperty(
        "--x",
        String(Math.min(100, (100 * ms) / axis)),
      );
      samples = [...samples.slice(1 - SAMPLES), ms];
      write("median", format.number(percentile(samples, 0.5)), "ms");
      write("p95", format.number(percentile(samples, 0.95)), "ms");
    },
    /** @param {string} id @param {string} state */
    connection(id, state) {
      const row = lane(id);
      const off = state !== "live" && state !== "connecting";
      if (row.classList.contains("off") === off) return;
      row.classList.toggle("off", off);
      row.classList.toggle("none", !off);
      row.classList.remove("late");
      /** @type {HTMLElement} */ (row.querySelector(".ms")).textContent = words(off ? "no_signal" : "none");
    },
    /** @param {number} newest @param {number} synced @param {number} of */
    versions(newest, synced, of) {
      write("newest", newest ? format.number(newest) : words("none"));
      write("sync", String(synced), `/ ${of}`);
    },
  };
}
