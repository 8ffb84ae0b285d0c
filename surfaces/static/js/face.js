/**
 * One live face: a server-drawn partial, its socket, and what happens when a state arrives. The pages and the wall are made
 * of these; what is particular to a surface is done in its `onState`.
 *
 * At a state: texts, version and lag at once; the balance counts for 600 ms (300 ms when points were spent); the record turns
 * for a gain; new rows enter, and what they push aside glides; a toast after 600 ms, the spoken line after 1 s; the gain clears
 * after 8 s.
 */

import { bind, valueAt } from "./bind.js";
import { connect } from "./chorus-live.js";
import { glide } from "./glide.js";
import { count, pace, replay } from "./motion.js";
import { say as speak } from "./say.js";
import { toast } from "./toast.js";

const GAIN_STAYS_MS = 8_000;
const CAUGHT_UP_STAYS_MS = 4_000;
const TOAST_AFTER_MS = 600;

const SHAPES = {
  live: '<circle cx="5" cy="5" r="4" fill="currentColor"/>',
  half: '<circle cx="5" cy="5" r="3.7" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M5 1.3a3.7 3.7 0 0 1 0 7.4Z" fill="currentColor"/>',
  check:
    '<path d="M1.5 5.4 4 7.8 8.6 2.4" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/>',
  ring: '<circle cx="5" cy="5" r="3.7" fill="none" stroke="currentColor" stroke-width="1.6"/>',
};

/**
 * @typedef {object} FaceOptions
 * @property {import("./live-page.js").PageTools} tools
 * @property {string} surface
 * @property {string} [token]
 * @property {any} [have]
 * @property {string} [asOf]
 * @property {string} [balance]  the path of the balance in the view
 * @property {{points: number, text: string}} [shown] the balance on the screen already
 * @property {Element | null} [chip] the connection's chip, where it is not in the face
 * @property {boolean} [toasts] false: none, as on a shared screen that must not keep what it said
 * @property {boolean} [quiet]   no toast and no spoken line: the wall has one for all its faces
 * @property {HTMLElement} [frame] carries `data-conn`; the face itself when left out
 * @property {(frame: any, info: any) => void} [onState]
 * @property {(status: any) => void} [onStatus]
 */

/** A chip's shape, word and colour. @param {Element | null} chip @param {keyof SHAPES | null} shape @param {string} text @param {string} tone */
export function setChip(chip, shape, text, tone) {
  if (!chip) return;
  chip.classList.remove("live", "warn", "bad");
  if (tone) chip.classList.add(tone);
  chip.innerHTML = shape
    ? `<svg viewBox="0 0 10 10" aria-hidden="true">${SHAPES[shape]}</svg><span></span>`
    : "<span></span>";
  /** @type {HTMLElement} */ (chip.lastElementChild).textContent = text;
}

/** How a connection's state looks and reads. @param {string} state @param {any} words */
export function connectionLook(state, words) {
  const shape = { live: "live", connecting: "ring", reconnecting: "half", offline: "ring", ended: "ring" }[
    state
  ];
  const tone = { live: "live", connecting: "", reconnecting: "warn", offline: "warn", ended: "bad" }[state];
  return { shape: /** @type {keyof SHAPES} */ (shape), tone: tone ?? "", text: words(state) };
}

/**
 * @param {HTMLElement} root the `[data-face]` element
 * @param {FaceOptions} options
 */
export function liveFace(root, options) {
  const { tools, quiet = false, frame: framed = root } = options;
  /* A page of its own has a footer that a longer list pushes down; a face of the wall moves nothing but itself. */
  const around = quiet ? root : document.body;
  const { words, format } = tools;
  const balancePath = options.balance ?? "balance";
  const calm = pace();
  const chip = options.chip ?? root.querySelector("[data-conn-chip]");
  const gains = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[data-gain]")]);
  let gainTimer = 0;
  let chipTimer = 0;
  let caught = 0;
  let toastTimer = 0;
  let gainText = /** @type {{points: number, signed: string, gain: boolean} | null} */ (null);
  let state = "connecting";
  let staleSince = "";
  let balance = options.shown ?? { points: NaN, text: "" };
  let session = options.have?.session;

  const showGain = () => {
    for (const el of gains) {
      const stale = state !== "live" && staleSince !== "";
      const long = el.dataset.gain === "long";
      const moved = gainText && el.dataset.gain !== "stale" ? gainText : null;
      el.classList.toggle("stale", stale || el.dataset.gain === "stale");
      el.classList.toggle("spent", !stale && Boolean(moved) && !moved?.gain);
      el.textContent = stale
        ? words("as_of", { time: staleSince })
        : moved
          ? long
            ? words("just_now", { signed: moved.signed })
            : moved.signed
          : "";
    }
  };

  const live = connect({
    surface: options.surface,
    token: options.token,
    locale: tools.locale,
    have: options.have,
    asOf: options.asOf,
    onState,
    onStatus,
  });

  /** @param {any} frame @param {any} info */
  function onState(frame, info) {
    const view = frame.view;
    const next = valueAt(view, balancePath);
    const before = balance.points;
    /* A kiosk's next member must not be counted up from the last one's balance. */
    const another = view.session !== session;
    session = view.session;
    const blank = another || (info.first && !options.have);
    const moved = total(frame.causes);
    const slow = calm() && !blank;
    const rising = next && !(next.points < before);
    const ms = slow ? (rising ? 600 : 300) : 0;
    const draw = () => {
      bind(root, view, { fresh: slow, numbers: (el, to) => count(el, to, format.number, ms) });
      if (another) forget();
      if (next) balance = next;
      if (another) return;
      if (frame.causes.length && next) celebrate(frame.causes, moved, slow);
    };
    glide(around, draw, slow);
    if (info.caughtUp) caught = info.missed + 1;
    options.onState?.(frame, info);
  }

  /** Nothing is said of whom it showed any more. */
  function forget() {
    balance = { points: NaN, text: "" };
    clearTimeout(gainTimer);
    clearTimeout(toastTimer);
    gainText = null;
    showGain();
  }

  /** @param {any[]} causes @param {{points: number, gain: boolean}} moved @param {boolean} slow */
  function celebrate(causes, moved, slow) {
    const last = causes.at(-1);
    clearTimeout(gainTimer);
    gainText = moved.points
      ? { points: moved.points, gain: moved.gain, signed: format.signed(moved.points) }
      : null;
    showGain();
    gainTimer = window.setTimeout(() => {
      gainText = null;
      showGain();
    }, GAIN_STAYS_MS);
    if (moved.gain && slow) for (const disc of root.querySelectorAll("[data-disc]")) replay(disc, "turn");
    if (quiet) return;
    clearTimeout(toastTimer);
    if (options.toasts !== false)
      toastTimer = window.setTimeout(toast, TOAST_AFTER_MS, last.points_text ?? "", last.text);
    speak(last.text);
  }

  /** @param {number} events */
  function caughtUp(events) {
    clearTimeout(chipTimer);
    setChip(chip, "check", words.count("caught_up", events), "live");
    chipTimer = window.setTimeout(() => setChip(chip, "live", words("live"), "live"), CAUGHT_UP_STAYS_MS);
  }

  /** @param {any} status */
  function onStatus(status) {
    const was = state;
    state = status.state;
    framed.dataset.conn = state;
    const down = state !== "live" && state !== "connecting";
    staleSince = down && status.asOf ? format.clock(status.asOf) : "";
    glide(around, () => showConnection(down));
    if (!quiet) announce(was, down);
    options.onStatus?.(status);
  }

  /** @param {boolean} down */
  function showConnection(down) {
    clearTimeout(chipTimer);
    const look = connectionLook(state, words);
    setChip(chip, look.shape, look.text, look.tone);
    /* The state that was missed is drawn just before the connection is told to be live. */
    if (state === "live" && caught) caughtUp(caught);
    caught = 0;
    showGain();
    for (const el of root.querySelectorAll("[data-redeem],[data-cancel],[data-needs-live],[data-place]"))
      el.toggleAttribute("disabled", down);
  }

  /** @param {string} was @param {boolean} down */
  function announce(was, down) {
    if (was === "live" && down)
      speak(state === "ended" ? words("said_ended") : words("said_lost", { time: staleSince }));
    if (state === "live" && was !== "live" && was !== "connecting" && balance.text)
      speak(words("said_back", { balance: balance.text }));
  }

  return {
    live,
    forget,
    close: () => {
      clearTimeout(gainTimer);
      clearTimeout(toastTimer);
      live.close();
    },
  };
}

/** What a frame's causes moved together. @param {{points: number, gain?: boolean}[]} causes */
function total(causes) {
  const points = causes.reduce((sum, cause) => sum + cause.points, 0);
  return { points, gain: points > 0 && causes.some((cause) => cause.gain) };
}
