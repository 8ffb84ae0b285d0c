/**
 * The client of Chorus's live protocol (`chorus.v1`), for our own pages and for anyone else's. No dependency.
 *
 *     import { connect } from "/static/js/chorus-live.js";
 *     const live = connect({
 *       surface: "app", token, locale: "en",
 *       onState(frame, info) { draw(frame.view); },
 *       onStatus(status) { badge.textContent = status.state; },
 *     });
 *     live.close();
 *
 * What it guarantees: `onState` is called only with a state newer than the last one applied, never with an older or equal
 * one, whatever the network repeats or reorders. A connection that fell silent is noticed and made again, with full jitter, so that
 * a thousand screens do not come back in the same instant; one that the server refused for good is not.
 *
 * @module
 */

/**
 * What a balance is stamped with. Stamps are compared field by field in this order.
 * @typedef {{epoch: number, version: number, programme: number, valid_from: string}} Stamp
 */

/**
 * A `state` frame. `committed_at` is there when a commit caused the frame.
 * @typedef {Stamp & {type: "state", valid_until: string | null, as_of: string, committed_at?: string,
 *   causes: {kind: string, points: number, version: number, text: string}[], view: any}} StateFrame
 */

/**
 * @typedef {object} StateInfo
 * @property {boolean} first   The first state of this client; there was nothing on the screen before, or only `have`.
 * @property {boolean} caughtUp The first state after a lost connection.
 * @property {number} missed   Versions passed over since the last state applied.
 * @property {Promise<number | null>} painted Settles once the browser has painted what `onState` drew: the milliseconds from
 *   commit to screen, corrected by the clock offset; null where that cannot be measured (no commit, hidden tab, a state caught up
 *   after an interruption, server clock not known yet).
 */

/**
 * @typedef {object} Status
 * @property {"connecting" | "live" | "reconnecting" | "offline" | "ended"} state `ended`: the server said not to come back.
 * @property {Date | null} asOf  The server's time of the last sign of life: how old what is on the screen may be.
 * @property {number} [code]     The close code of the connection that was lost.
 * @property {string} [reason]
 */

/**
 * @typedef {object} Options
 * @property {string} surface  `app`, `web`, `kiosk`, `receipt`, `wallet` or `pos`.
 * @property {{kind: string, value: string}} [who] For `pos`: the member that the till looked up.
 * @property {string} [token]  Left out where the browser has a session cookie.
 * @property {string} [locale]
 * @property {Stamp & {session?: number}} [have] The stamp of what is on the screen already (and, on a kiosk, its session).
 * @property {string} [url]    Default: `/live` of the page's origin.
 * @property {string} [asOf]   When that was drawn (RFC 3339), until the first frame says better.
 * @property {(frame: StateFrame, info: StateInfo) => void} onState
 * @property {(status: Status) => void} [onStatus]
 */

const PROTOCOL = "chorus.v1";
/** The server is never silent for longer than 25 s; 15 s more is a slow network's share. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A connection that lived so long has proved itself: the next wait starts small again. */
const PROVEN_MS = 5_000;
/** Clocks drift apart by some milliseconds in so long. */
const CLOCK_GOOD_MS = 600_000;
/** Two frames at 4 Hz: a tab that paints slower than that is not showing anything to measure. */
const PAINT_WITHIN_MS = 500;

/** Whether stamp `a` is newer than `b`. @param {Stamp} a @param {Stamp | undefined} b */
export function isNewer(a, b) {
  if (!b) return true;
  for (const field of /** @type {const} */ (["epoch", "version", "programme"]))
    if (a[field] !== b[field]) return a[field] > b[field];
  return instant(a.valid_from) > instant(b.valid_from);
}

/**
 * Whether a state may be drawn over what is there. On a kiosk the session decides first: a higher one always wins, a lower one is
 * late; within one session the stamp decides.
 * @param {StateFrame} frame @param {(Stamp & {session?: number}) | undefined} have
 */
export function applies(frame, have) {
  const session = frame.view?.session;
  if (have && typeof session === "number" && typeof have.session === "number" && session !== have.session)
    return session > have.session;
  return isNewer(frame, have);
}

/**
 * How long to wait before try `attempt` (0 is the first): anywhere between nothing and a bound that doubles.
 * @param {number} attempt @param {number} [hintSeconds] the server's longest wait @param {() => number} [random]
 */
export function backoff(attempt, hintSeconds, random = Math.random) {
  const bound =
    hintSeconds !== undefined ? hintSeconds * 1000 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return random() * bound;
}

/** RFC 3339 to microseconds since 1970: `Date` drops what is below the millisecond. @param {string} text */
function instant(text) {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const below = Number(fraction.padEnd(6, "0").slice(3, 6));
  return Date.parse(text) * 1000 + below;
}

/** Milliseconds since 1970 that never jump, unlike `Date.now()`. */
const now = () => performance.timeOrigin + performance.now();

/**
 * Connects and stays connected.
 * @param {Options} options
 */
export function connect(options) {
  const { surface, who, token, locale, onState, onStatus = () => {} } = options;
  const url = options.url ?? new URL("/live", location.href).href.replace(/^http/, "ws");
  let have = options.have;
  let drawn = false;
  let interrupted = false;
  let ended = false;
  let attempt = 0;
  let asOf = options.asOf ? Date.parse(options.asOf) : null;
  /** Server clock minus ours, from the exchange with the shortest way there and back. */
  let clock = /** @type {{offset: number, trip: number, at: number} | null} */ (null);
  /** The same, too late by what the page took to come: good enough for a countdown until the first exchange. */
  const roughly = asOf === null ? 0 : asOf - now();
  /** @type {WebSocket | null} */
  let socket = null;
  let retryTimer = 0;
  let silenceTimer = 0;
  let lastFrame = 0;
  let state = "";

  /** @param {Status["state"]} next @param {{code?: number, reason?: string}} [why] */
  function tell(next, why = {}) {
    if (next === state && next !== "reconnecting") return;
    state = next;
    onStatus({ state: next, asOf: asOf === null ? null : new Date(asOf), ...why });
  }

  function open() {
    clearTimeout(retryTimer);
    retryTimer = 0;
    if (ended || socket) return;
    if (!navigator.onLine) return tell("offline");
    if (!drawn && !interrupted) tell("connecting");
    const mine = new WebSocket(url, [PROTOCOL]);
    socket = mine;
    let saidHello = 0;
    let answered = 0;
    watch();
    mine.onopen = () => {
      saidHello = now();
      mine.send(
        JSON.stringify({
          type: "hello",
          token,
          surface,
          who,
          locale,
          have: have ? { ...stampOf(have), session: have.session } : undefined,
        }),
      );
    };
    mine.onmessage = (event) => {
      if (mine !== socket) return;
      const arrived = now();
      lastFrame = arrived;
      watch();
      const frame = JSON.parse(event.data);
      const first = !answered;
      answered ||= arrived;
      if (first && frame.as_of) setClock(frame.as_of, saidHello, arrived);
      if (frame.as_of) asOf = Date.parse(frame.as_of);
      else if (clock) asOf = arrived + clock.offset;
      if (frame.type === "state") take(frame);
      if (frame.type === "error") return;
      interrupted = false;
      tell("live");
    };
    mine.onclose = (event) => {
      if (mine !== socket) return;
      if (answered && now() - answered > PROVEN_MS) attempt = 0;
      lost(event.code, event.reason);
    };
  }

  /** @param {string} serverTime @param {number} asked @param {number} answered */
  function setClock(serverTime, asked, answered) {
    const trip = answered - asked;
    if (clock && clock.trip < trip && answered - clock.at < CLOCK_GOOD_MS) return;
    clock = { offset: instant(serverTime) / 1000 - (asked + answered) / 2, trip, at: answered };
  }

  /** @param {StateFrame} frame */
  function take(frame) {
    if (!applies(frame, have)) return;
    const first = !drawn;
    const caughtUp = interrupted;
    const missed = have && have.epoch === frame.epoch ? Math.max(0, frame.version - have.version - 1) : 0;
    have = { ...stampOf(frame), session: frame.view?.session };
    drawn = true;
    const measurable = frame.committed_at && clock && !caughtUp && !document.hidden;
    const painted = measurable
      ? afterPaint().then((at) => (at === null || !clock ? null : lag(at, clock.offset, frame)))
      : Promise.resolve(null);
    onState(frame, { first, caughtUp, missed, painted });
  }

  /** @param {number} code @param {string} reason */
  function lost(code, reason) {
    socket = null;
    clearTimeout(silenceTimer);
    interrupted = true;
    if (code >= 4400 && code < 4500) {
      ended = true;
      return tell("ended", { code, reason });
    }
    const hint = code >= 4500 && code < 4600 ? Number.parseFloat(/\d+(\.\d+)?/.exec(reason)?.[0] ?? "") : NaN;
    if (!navigator.onLine) return tell("offline", { code, reason });
    tell("reconnecting", { code, reason });
    retryTimer = window.setTimeout(open, backoff(attempt++, Number.isNaN(hint) ? undefined : hint));
  }

  /** A socket that died without a word (a sleeping laptop, a lost radio) is told by its silence. */
  function watch() {
    clearTimeout(silenceTimer);
    silenceTimer = window.setTimeout(drop, SILENCE_MS);
  }

  function drop() {
    const dying = socket;
    if (!dying) return;
    lost(1006, "silent");
    dying.close();
  }

  function onOnline() {
    if (!socket && !ended) {
      attempt = 0;
      open();
    }
  }

  function onOffline() {
    if (ended) return;
    clearTimeout(retryTimer);
    retryTimer = 0;
    const dying = socket;
    socket = null;
    clearTimeout(silenceTimer);
    interrupted ||= drawn || state === "live";
    dying?.close();
    tell("offline");
  }

  /** Timers of a hidden tab are slowed or stopped: on return, look at once. */
  function onVisible() {
    if (document.hidden || ended) return;
    if (socket && lastFrame && now() - lastFrame > SILENCE_MS) drop();
    if (!socket && navigator.onLine) open();
  }

  window.addEventListener("online", onOnline);
  window.addEventListener("offline", onOffline);
  document.addEventListener("visibilitychange", onVisible);
  open();

  return {
    /** The stamp of what is on the screen. */
    get have() {
      return have;
    },
    /** The server's time now, in milliseconds, as far as it is known. */
    serverNow: () => now() + (clock?.offset ?? roughly),
    /** Ends it for good. */
    close() {
      ended = true;
      clearTimeout(retryTimer);
      clearTimeout(silenceTimer);
      window.removeEventListener("online", onOnline);
      window.removeEventListener("offline", onOffline);
      document.removeEventListener("visibilitychange", onVisible);
      const dying = socket;
      socket = null;
      /* A browser tells of a socket closed while it opens as an error on its console. */
      if (dying?.readyState === WebSocket.CONNECTING) dying.onopen = () => dying.close(1000);
      else dying?.close(1000);
    },
  };
}

/** @param {Stamp} from @returns {Stamp} */
function stampOf({ epoch, version, programme, valid_from }) {
  return { epoch, version, programme, valid_from };
}

/** Rounded up, so that no lag looks smaller than it was. @param {number} at @param {number} offset @param {StateFrame} frame */
function lag(at, offset, frame) {
  return Math.max(0, Math.ceil(at + offset - instant(/** @type {string} */ (frame.committed_at)) / 1000));
}

/**
 * When the next paint is through: the second animation frame starts after the first one's paint. Null when none comes.
 * @returns {Promise<number | null>}
 */
export function afterPaint() {
  return new Promise((resolve) => {
    const giveUp = setTimeout(resolve, PAINT_WITHIN_MS, null);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        clearTimeout(giveUp);
        resolve(now());
      }),
    );
  });
}
