/** The kiosk's page: a device of its own, whose socket follows the member of the running session. */

import { liveFace } from "./face.js";
import { kioskSession } from "./kiosk-session.js";
import { faceRoot, start } from "./live-page.js";

const tools = start();
const { config } = tools;
const root = faceRoot("kiosk");
const session = kioskSession(root, tools, {
  token: config.token,
  keepFocus: true,
  clearsAt: config.clears_at,
  onClear: () => face.forget(),
});
let shown = config.session;

const face = liveFace(root, {
  tools,
  surface: "kiosk",
  token: config.token,
  have: config.have && { ...config.have, session: config.session },
  asOf: config.as_of,
  balance: "member.balance",
  toasts: false,
  onStatus: (status) => session.follow(status),
  onState(frame) {
    session.update(frame.view);
    if (frame.view.session !== shown && frame.view.member)
      /** @type {HTMLElement} */ (root.querySelector("[data-choose]")).focus();
    shown = frame.view.session;
  },
});
session.useClock(face.live.serverNow);
