/** The phone's page. */

import { redeeming } from "./actions.js";
import { liveFace } from "./face.js";
import { faceRoot, start } from "./live-page.js";
import { codeView } from "./phone-code.js";
import { unfolding } from "./unfold.js";
import { voucherCode } from "./voucher-code.js";

const tools = start();
const { config, words } = tools;
const root = faceRoot("phone");

const followVoucher = voucherCode(root, "/app/v1", words, config.token);
liveFace(root, {
  tools,
  surface: "app",
  token: config.token,
  have: config.have,
  asOf: config.as_of,
  shown: config.balance,
  onState: followVoucher,
});
unfolding(root);
redeeming(root, "/app/v1", words, { token: config.token });
codeView(root);
