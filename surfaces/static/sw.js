/**
 * The service worker of the member's web page: it shows what is pushed, and does nothing else. It keeps no page and answers no
 * request, so a newer one may take over at once.
 *
 * A push's text is JSON, `{title, body, tag, url, lang, version}`. Browsers take the right to push from a site that shows nothing
 * for one, so whatever came, something is shown.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const HOME = "/card";
const ICON = "/passes/icon.png";

/** For a push that cannot be read; here, as a worker has no page to take its words from. */
const PLAIN = {
  en: ["Your points have changed", "Open your card to see them."],
  "zh-Hant": ["你的點數有變動", "請開啟會員卡查看。"],
  "zh-Hans": ["你的积分有变动", "请打开会员卡查看。"],
};

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.url));
});
worker.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

/** What to show; a text that is missing or no text is left out. @param {PushMessageData | null} data */
function read(data) {
  let told;
  try {
    told = data?.json();
  } catch {
    /* Not JSON: as nothing. */
  }
  const text = (/** @type {unknown} */ value) => (typeof value === "string" ? value : "");
  const tag = text(told?.tag) || "points";
  const url = ownAddress(text(told?.url) || HOME);
  if (text(told?.title)) return { title: told.title, body: text(told.body), tag, lang: text(told.lang), url };
  const lang = languageOf(navigator.language);
  const [title, body] = PLAIN[lang];
  return { title, body, tag, lang, url };
}

/** @param {string} code a browser's, `zh-TW` */
function languageOf(code) {
  if (!/^zh\b/i.test(code)) return "en";
  return /hant|tw|hk|mo/i.test(code) ? "zh-Hant" : "zh-Hans";
}

/** `url` if it is one of ours, else the card. @param {string} url */
function ownAddress(url) {
  const { origin } = worker.location;
  try {
    const address = new URL(url, origin);
    if (address.origin === origin) return address.href;
  } catch {
    /* No address at all. */
  }
  return new URL(HOME, origin).href;
}

/** A second delivery of one tag takes the place of the first without a sound. @param {ReturnType<typeof read>} told */
async function show({ title, body, tag, lang, url }) {
  const options = { body, tag, renotify: false, lang, icon: ICON, data: { url } };
  await worker.registration.showNotification(title, options);
}

/** The page's tab if one is open, else a new one. @param {string} url */
async function open(url) {
  const tabs = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const tab = tabs.find((one) => new URL(one.url).pathname === new URL(url).pathname);
  await (tab ? tab.focus() : worker.clients.openWindow(url));
}

/**
 * The push service gave up the old subscription: the same is asked for anew, and the server is told.
 * @param {PushSubscriptionChangeEvent} event
 */
async function renew({ oldSubscription, newSubscription }) {
  if (Notification.permission !== "granted") return;
  const { pushManager } = worker.registration;
  const subscription =
    newSubscription ?? (oldSubscription && (await pushManager.subscribe(oldSubscription.options)));
  if (!subscription) return;
  const { endpoint, keys } = subscription.toJSON();
  await fetch("/web/v1/devices", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ channel: "webpush", app: "web", token: endpoint, keys }),
  });
}
