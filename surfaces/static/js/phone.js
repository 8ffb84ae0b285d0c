/** The phone's page. */

import { redeeming } from "./actions.js";
import { liveFace } from "./face.js";
import { faceRoot, start } from "./live-page.js";
import { codeView } from "./phone-code.js";

const tools = start();
const { config, words } = tools;
const root = faceRoot("phone");

liveFace(root, {
  tools,
  surface: "app",
  token: config.token,
  have: config.have,
  asOf: config.as_of,
  shown: config.balance,
});
redeeming(root, "/app/v1", words, { token: config.token });
codeView(root);
