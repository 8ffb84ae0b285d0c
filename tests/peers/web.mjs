/** An HTTP/1.1 server, plain or TLS, whose handler is given the whole body and may let a request hang or break. */
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { everything, listening } from './peer.mjs';

/**
 * Serve `handle({method, path, headers, body})`, which gives `{status, headers?, body?}`, an object as body being sent
 * as JSON, or `{broken: 'hang' | 'reset'}`. Resolves to `{origin, close}`, where `close` breaks every connection.
 */
export async function serve(tls, handle) {
  const server = tls ? createSecureServer(tls) : createServer();
  server.on('request', async (request, response) => {
    const body = await everything(request).catch(() => null);
    if (body === null) return; // the client gave up while sending
    const { method, url: path, headers, socket } = request;
    const answer = await handle({ method, path, headers, body });
    if (answer.broken === 'hang') return;
    // A TLS socket cannot send a TCP reset; without a closing alert it is broken off all the same.
    if (answer.broken === 'reset') return void (socket.encrypted ? socket.destroy() : socket.resetAndDestroy());
    send(response, answer);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const port = await listening(server);
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return { origin, close: () => server.closeAllConnections() };
}

function send(response, { status, headers = {}, body = '' }) {
  const type = typeof body === 'object' ? { 'content-type': 'application/json; charset=UTF-8' } : {};
  response.writeHead(status, { ...type, ...headers });
  response.end(typeof body === 'object' ? JSON.stringify(body) : body);
}

/** What the trouble `{kind, ...}` makes of a right answer; `worded(status, reason)` gives the provider's body. */
export function troubled({ kind, status, reason, retry_after }, right, worded) {
  if (kind === 'hang' || kind === 'reset') return { broken: kind };
  if (kind !== 'answer') return right;
  const headers = retry_after ? { 'retry-after': retry_after } : {};
  return { status, headers, body: reason ? worded(status, reason) : '', reason };
}
