/**
 * The switch "Tell me when my points change": Web Push to this browser. The browser's question is put only when the switch is
 * pressed. What the switch shows is read anew from the browser at each load, and the server is told again what it may have lost.
 * A state is a name on the section; the words for each are in the markup.
 */

import { Problem, request } from "./actions.js";
import { say } from "./say.js";

/** A push service that cannot be reached may never answer. */
const SUBSCRIBE_MS = 30_000;

/**
 * checking: nothing known yet · asking: the browser's question is open · unsure: on, though the server did not confirm it ·
 * unsaved: the server would not have it · off_here: off, though the server was not told; it finds out at its next notice ·
 * stuck: the browser would not turn it off
 * @typedef {"checking" | "unsupported" | "off" | "asking" | "starting" | "on" | "unsure" | "blocked" | "failed" | "unsaved"
 *   | "signed_out" | "stopping" | "off_here" | "stuck"} State
 */
const ON = new Set(["on", "unsure", "stopping", "stuck"]);
const BUSY = new Set(["checking", "asking", "starting", "stopping"]);
const DEAF = new Set(["unsupported", "blocked"]);

/** @param {HTMLElement} section `[data-push]` @param {string} vapid the server's public key, base64url */
export function pushSwitch(section, vapid) {
  const button = /** @type {HTMLButtonElement} */ (section.querySelector("[role=switch]"));
  const notes = /** @type {HTMLElement[]} */ ([...section.querySelectorAll("[data-when]")]);
  const key = bytes(vapid);
  /** @type {State} */
  let state = "checking";
  /** The server's name for this browser. @type {string | null} */
  let device = null;
  /** Of two that run at once the later one is right. */
  let turn = 0;

  /** @param {State} next */
  function show(next) {
    state = section.dataset.state = next;
    button.setAttribute("aria-checked", String(ON.has(state)));
    button.setAttribute("aria-busy", String(BUSY.has(state)));
    button.setAttribute("aria-disabled", String(DEAF.has(state)));
    for (const note of notes) note.classList.toggle("shown", note.dataset.when === state);
  }

  /** Does what was pressed, and speaks of how it ended. @param {() => Promise<State>} act */
  async function press(act) {
    turn += 1;
    const next = await act();
    show(next);
    say(notes.find((note) => note.dataset.when === next)?.textContent ?? "");
  }

  /** Shows how things are, as the browser tells it without being asked anything aloud. */
  async function look() {
    turn += 1;
    const mine = turn;
    const found = await standing();
    if (mine === turn) show(found);
  }

  /** A subscription that is there is told to the server once more. @returns {Promise<State>} */
  async function standing() {
    if (!supported()) return "unsupported";
    const kept = await current();
    if (Notification.permission === "denied") return "blocked";
    if (!kept || Notification.permission !== "granted") return "off";
    let subscription = kept;
    try {
      subscription = await subscribe(key);
      device = (await register(subscription)).id;
      return "on";
    } catch (problem) {
      if (problem instanceof Problem && problem.retryable) return "unsure";
      const why = refusal(problem);
      if (why === "unsaved") await subscription.unsubscribe().catch(() => false);
      return why;
    }
  }

  /** @returns {Promise<State>} */
  async function turnOn() {
    if (Notification.permission === "default") show("asking");
    const allowed = await Notification.requestPermission();
    if (allowed !== "granted") return allowed === "denied" ? "blocked" : "off";
    show("starting");
    const coming = subscribe(key);
    try {
      device = (await register(await within(SUBSCRIBE_MS, coming))).id;
      return "on";
    } catch (problem) {
      /* What the server does not know must not be found at the next load, and taken for on. */
      coming.then((subscription) => subscription.unsubscribe()).catch(() => false);
      return refusal(problem);
    }
  }

  /** The browser's part does not wait for the server's: off is off, wherever the network is. @returns {Promise<State>} */
  async function turnOff() {
    show("stopping");
    const kept = await current();
    const [gone, told] = await Promise.allSettled([kept?.unsubscribe(), forget(device)]);
    if (gone.status === "rejected") return "stuck";
    return told.status === "fulfilled" ? "off" : "off_here";
  }

  button.addEventListener("click", () => {
    if (!BUSY.has(state) && !DEAF.has(state)) press(ON.has(state) ? turnOff : turnOn);
  });
  /* Allowed again, or forbidden, in the browser's settings. */
  navigator.permissions
    ?.query({ name: "notifications" })
    .then((permission) => {
      permission.onchange = () => {
        if (state === "checking" || !BUSY.has(state)) look();
      };
    })
    .catch(() => {});
  look();
}

/** Away from HTTPS, in a private window or on an older phone there may be none of it. */
const supported = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

/** What this browser has already; where it may keep nothing, it has none. */
async function current() {
  try {
    const registration = await navigator.serviceWorker.getRegistration("/");
    return (await registration?.pushManager.getSubscription()) ?? null;
  } catch {
    return null;
  }
}

/**
 * This browser's subscription for `key`; one made for another key is of no use to the server.
 * @param {Uint8Array<ArrayBuffer>} key
 */
async function subscribe(key) {
  await navigator.serviceWorker.register("/sw.js", { scope: "/" });
  const { pushManager } = await navigator.serviceWorker.ready;
  const kept = await pushManager.getSubscription();
  const made = kept?.options.applicationServerKey;
  if (kept && (!made || String(new Uint8Array(made)) === String(key))) return kept;
  await kept?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

/**
 * From now on this browser is told, in the page's language.
 * @param {PushSubscription} subscription @returns {Promise<{id: string}>}
 */
function register(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  const locale = document.documentElement.lang;
  const body = { channel: "webpush", app: "web", token: endpoint, keys, locale };
  return request({ path: "/web/v1/devices", body });
}

/** @param {string | null} device */
async function forget(device) {
  if (device === null) throw new Problem("network", "", true);
  try {
    await request({ path: `/web/v1/devices/${encodeURIComponent(device)}`, method: "DELETE" });
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "unknown_device") throw problem;
  }
}

/** Why it is not on. @param {unknown} problem @returns {State} */
function refusal(problem) {
  if (!(problem instanceof Problem)) return "failed";
  return ["unauthenticated", "token_expired"].includes(problem.code) ? "signed_out" : "unsaved";
}

/** @template T @param {number} ms @param {Promise<T>} promise @returns {Promise<T>} */
function within(ms, promise) {
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("no answer in time")), ms));
  return Promise.race([promise, /** @type {Promise<never>} */ (late)]);
}

/** @param {string} base64url */
const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
