/**
 * Sends pushes by node-apn, a client that nobody here wrote: stdin is {options, pushes: [{token, headers, payload}]},
 * where `options` are of its Provider; stdout a list of {sent, failed} with node-apn's own words.
 */
import apn from '@parse/node-apn';
import { everything } from './peer.mjs';

const { options, pushes } = JSON.parse(await everything(process.stdin));
const provider = new apn.Provider({ ...options, connectionRetryLimit: 0 });
const results = [];
for (const { token, headers, payload } of pushes) {
  const note = new apn.Notification();
  Object.assign(note, headers);
  note.rawPayload = payload;
  const { sent, failed } = await provider.send(note, token);
  results.push({
    sent: sent.length,
    failed: failed.map(({ status, response, error }) => ({ status, reason: response?.reason ?? error?.message })),
  });
}
await new Promise(done => provider.shutdown(done));
console.log(JSON.stringify(results));
