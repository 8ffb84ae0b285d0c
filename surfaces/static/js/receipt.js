/** A receipt's page: what was printed stays, the balance is live. */

import { liveFace } from "./face.js";
import { faceRoot, start } from "./live-page.js";

const tools = start();
const { config } = tools;

liveFace(faceRoot("receipt"), {
  tools,
  surface: "receipt",
  token: config.token,
  have: config.have,
  asOf: config.as_of,
  shown: config.balance,
  chip: document.querySelector("[data-conn-chip]"),
});
