/**
 * The wall: five faces of one member, each live by itself: four with a socket of their own, the wallet through a phone that
 * holds the pass. It draws nothing itself; it measures each face, and moves the receipt on to the newest purchase.
 */

import { redeeming, request } from "./actions.js";
import { bind } from "./bind.js";
import { connectionLook, liveFace, setChip } from "./face.js";
import { glide } from "./glide.js";
import { kioskSession } from "./kiosk-session.js";
import { faceRoot, start } from "./live-page.js";
import { replay as restart } from "./motion.js";
import { codeView } from "./phone-code.js";
import { say } from "./say.js";
import { toast } from "./toast.js";
import { voucherCode } from "./voucher-code.js";
import { eventPanel } from "./wall-event.js";
import { lagPlot } from "./wall-lag.js";
import { passFace } from "./wall-pass.js";
import { replayBar } from "./wall-replay.js";

const tools = start();
const { config, words, format } = tools;
const LIVE_FACES = /** @type {const} */ (["phone", "web", "kiosk", "receipt"]);
/** The old receipt shows its own lag for the sale before the new one takes its place. */
const RECEIPT_STAYS_MS = 900;
const RECEIPT_WAITS_MS = 3_000;

const plot = lagPlot(tools, config.target_ms ?? 250);
const events = eventPanel();
const bar = config.demo ? replayBar(tools) : null;
const summary = document.querySelector("[data-conn-sum]");

/** How long "Caught up" stands before the lag's place is the lag's again. */
const CAUGHT_UP_STAYS_MS = 4_000;

/** @typedef {{version: number, state: string, lag: number | null, face: any}} Entry `lag`: last measured, forgotten at a loss */
/** @type {Map<string, Entry>} */
const faces = new Map();
/** @type {{version: number, done: () => void}[]} */
let receiptWaits = [];
let newest = config.have?.version ?? 0;

/** @param {string} id @param {any} [have] */
function connectFace(id, have = config.have) {
  const { surface, token } = config.faces[id];
  const article = /** @type {HTMLElement} */ (document.querySelector(`[data-live="${id}"]`));
  const entry = /** @type {Entry} */ ({ version: 0, state: "connecting", lag: null, face: null });
  if (have) entry.version = have.version;
  else entry.lag = faces.get(id)?.lag ?? null;
  faces.set(id, entry);
  entry.face = liveFace(faceRoot(id), {
    tools,
    surface,
    token,
    have: have && (id === "kiosk" ? { ...have, session: config.session } : have),
    asOf: config.as_of,
    balance: id === "kiosk" ? "member.balance" : "balance",
    quiet: true,
    frame: article,
    onState: (frame, info) => arrived(id, article, frame, info),
    onStatus: (status) => changed(id, article, status),
  });
  if (id === "kiosk") kiosk.useClock(entry.face.live.serverNow);
}

/** The wallet's face has no socket: a phone holds its pass. */
function connectPass() {
  const article = /** @type {HTMLElement} */ (document.querySelector('[data-live="pass"]'));
  const entry = /** @type {Entry} */ ({ version: config.faces.pass.version, state: "connecting", lag: null, face: null });
  faces.set("pass", entry);
  entry.face = passFace(faceRoot("pass"), {
    tools,
    token: config.faces.pass.token,
    version: entry.version,
    frame: article,
    told: /** @type {Element} */ (article.querySelector("[data-told]")),
    serverNow: () => faces.get("web")?.face.live.serverNow() ?? Date.now(),
    onState: (frame, info) => arrived("pass", article, frame, info),
    onStatus: (status) => changed("pass", article, status),
  });
}

/** @param {string} id @param {HTMLElement} article @param {any} frame @param {any} info */
function arrived(id, article, frame, info) {
  const entry = /** @type {Entry} */ (faces.get(id));
  entry.version = frame.version;
  newest = Math.max(newest, frame.version);
  const chip = /** @type {HTMLElement} */ (article.querySelector("[data-version]"));
  chip.textContent = `v${format.number(frame.version)}`;
  if (id === "kiosk") kiosk.update(frame.view);
  followVoucher[id]?.();
  if (id === "web" && frame.causes.length) happened(frame);
  summarise();
  info.painted.then((/** @type {number | null} */ ms) => {
    if (faces.get(id) !== entry) return;
    if (info.caughtUp) caughtUp(article, entry, info.missed + 1);
    else if (ms !== null) {
      entry.lag = ms;
      plot.measured(id, ms);
      showLag(article, entry);
      restart(lagChip(article), "landed");
    }
    if (id === "receipt") for (const wait of receiptWaits) if (wait.version <= entry.version) wait.done();
  });
}

/** @param {HTMLElement} article */
const lagChip = (article) => /** @type {HTMLElement} */ (article.querySelector("[data-lag]"));

/** @param {HTMLElement} article @param {Entry} entry */
function showLag(article, { lag }) {
  const text = lag === null ? words("none") : words("ms", { n: format.number(lag) });
  setChip(lagChip(article), null, text, plot.isLate(lag) ? "warn" : "");
}

/** @param {HTMLElement} article @param {Entry} entry @param {number} events */
function caughtUp(article, entry, events) {
  setChip(lagChip(article), "check", words.count("caught_up", events), "live");
  setTimeout(() => {
    if (entry.state === "live" && entry.lag === null) showLag(article, entry);
  }, CAUGHT_UP_STAYS_MS);
}

/** @param {any} frame the web face's: it alone has the places and items of what happened */
function happened(frame) {
  const last = frame.causes.at(-1);
  events.show(last, frame);
  if (!bar?.playing()) {
    say(last.text);
    toast(last.points_text, last.text);
  }
  const sale = frame.causes.findLast((/** @type {any} */ cause) => cause.kind === "purchase");
  if (sale) moveReceipt(sale.version);
}

/** @param {string} id @param {HTMLElement} article @param {any} status */
function changed(id, article, status) {
  const entry = /** @type {Entry} */ (faces.get(id));
  const was = entry.state;
  entry.state = status.state;
  const look = connectionLook(status.state, words);
  if (status.state !== "live" && status.state !== "connecting") entry.lag = null;
  if (status.state === "live" || entry.lag !== null) showLag(article, entry);
  else setChip(lagChip(article), look.shape, look.text, look.tone);
  if (id === "kiosk") kiosk.follow(status);
  plot.connection(id, status.state);
  summarise();
  const lostOrBack = (was === "live") !== (status.state === "live") && was !== "connecting";
  if (lostOrBack) say(summaryText());
}

function summaryText() {
  const live = [...faces.values()].filter((face) => face.state === "live").length;
  return words(live === faces.size ? "all_live" : "some_live", { n: live, of: faces.size });
}

function summarise() {
  const states = [...faces.values()].map((face) => face.state);
  const down = states.some((state) => state !== "live" && state !== "connecting");
  const all = states.every((state) => state === "live");
  if (all) setChip(summary, "live", summaryText(), "live");
  else
    setChip(summary, down ? "half" : "ring", down ? summaryText() : words("connecting"), down ? "warn" : "");
  const synced = [...faces.values()].filter(
    (face) => face.state === "live" && face.version === newest,
  ).length;
  plot.versions(newest, synced, faces.size);
}

/** The receipt's face goes on to the receipt of purchase `version`, with a socket of its own. @param {number} version */
async function moveReceipt(version) {
  const shown = faces.get("receipt");
  if (shown && shown.version < version)
    await Promise.race([
      new Promise((resolve) => receiptWaits.push({ version, done: () => resolve(null) })),
      new Promise((resolve) => setTimeout(resolve, RECEIPT_WAITS_MS)),
    ]);
  receiptWaits = receiptWaits.filter((wait) => wait.version > version);
  await new Promise((resolve) => setTimeout(resolve, shown ? RECEIPT_STAYS_MS : 0));
  if (version < receiptVersion) return;
  let answer;
  try {
    const path = `/wall/v1/receipt?version=${version}&lang=${tools.locale}`;
    answer = await request({ path, method: "GET", token: config.faces.web.token });
  } catch {
    /* The old receipt stays: it is true, and its balance is live. */
    return;
  }
  if (version < receiptVersion) return;
  receiptVersion = version;
  faces.get("receipt")?.face.close();
  const root = faceRoot("receipt");
  glide(root, () => {
    bind(root, answer.view, { numbers: (el, to) => (el.textContent = format.number(to)) });
    const qr = /** @type {HTMLElement} */ (root.querySelector("[data-receipt-qr] .qr"));
    qr.innerHTML = answer.qr ?? "";
    root.closest(".face")?.classList.remove("empty");
  });
  config.faces.receipt = { surface: "receipt", token: answer.token };
  connectFace("receipt", null);
}
let receiptVersion = 0;

const kioskToken = config.faces.kiosk.token;
const kiosk = kioskSession(faceRoot("kiosk"), tools, {
  token: kioskToken,
  keepFocus: false,
  clearsAt: config.clears_at,
  onClear: () => faces.get("kiosk")?.face.forget(),
  /* Nobody stands at the wall's kiosk: unless it was cleared by hand, it goes on showing the wall's member. */
  async onRunOut() {
    try {
      await request({ path: "/kiosk/v1/session", body: { code: config.code }, token: kioskToken });
    } catch {
      /* It stays at "Scan your code", which is what a kiosk shows. */
    }
  },
});
codeView(faceRoot("phone"));
/** @type {Record<string, () => void>} */
const followVoucher = {
  phone: voucherCode(faceRoot("phone"), "/app/v1", words, config.faces.phone.token),
  web: voucherCode(faceRoot("web"), "/web/v1", words, config.faces.web.token),
};
redeeming(faceRoot("phone"), "/app/v1", words, { token: config.faces.phone.token });
redeeming(faceRoot("web"), "/web/v1", words, { token: config.faces.web.token });
for (const id of LIVE_FACES) if (config.faces[id]?.token) connectFace(id);
if (config.faces.pass) connectPass();
