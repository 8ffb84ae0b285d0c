/**
 * Three fakes behind one port: Google's token endpoint, FCM's HTTP v1 API for one project, and a gateway for text
 * messages that takes JSON or a form. Any other path is 404.
 */
import { createPublicKey } from 'node:crypto';
import { Accounts, fault, judgeMessage } from './google.mjs';
import { Book, run } from './peer.mjs';
import { serve, troubled } from './web.mjs';

run(async ({ tls, public_key, email, project }) => {
  const book = new Book();
  const accounts = new Accounts({ key: createPublicKey(public_key), email });
  const dead = new Set();
  const foreign = new Set();
  const fcmPath = `/v1/projects/${project}/messages:send`;
  let sent = 0;

  const routes = {
    token: request => accounts.grant(request, `${web.origin}/token`, book.now()),
    fcm: ({ headers, body }) => {
      const message = json(body);
      const refusal = accounts.refusal(headers.authorization, book.now()) ?? judgeMessage(message, dead, foreign);
      sent += 1;
      const right = { status: 200, body: { name: `projects/${project}/messages/0:${sent}` } };
      return { ...(refusal ?? right), to: message?.message?.token };
    },
    sms: ({ headers, body }) => {
      if (content(headers, body) === undefined) {
        return { status: 415, reason: 'neither JSON nor a form', body: { error: 'neither JSON nor a form' } };
      }
      sent += 1;
      return { status: 200, body: { id: `sms-${sent}` } };
    },
  };
  const worded = {
    token: (_status, reason) => ({ error: reason }),
    fcm: (status, reason) => fault(status, reason).body,
    sms: (_status, reason) => ({ error: reason }),
  };

  const web = await serve(tls, request => {
    const { method, path, headers, body } = request;
    const route = { '/token': 'token', [fcmPath]: 'fcm', '/sms': 'sms' }[path] ?? '';
    const missing = { status: 404, reason: 'no such path', body: { error: 'no such path' } };
    const wrong = { status: 405, reason: 'not POST', headers: { allow: 'POST' } };
    const { to, claims, ...right } = !route ? missing : method === 'POST' ? routes[route](request) : wrong;
    const trouble = right.status === 200 ? book.take({ route, ...(to && { to }) }) : { kind: 'well' };
    const answer = troubled(trouble, right, worded[route]);
    book.note({
      route,
      path,
      headers,
      body: content(headers, body) ?? body.toString(),
      claims: claims ?? {},
      status: answer.status ?? null,
      reason: answer.reason ?? '',
      trouble: trouble.kind,
    });
    return answer;
  });

  return {
    ready: { origin: web.origin, fcm_path: fcmPath },
    commands: {
      ...book.commands,
      kill: ({ token }) => void dead.add(token),
      estrange: ({ token }) => void foreign.add(token),
      clear: () => {
        web.close();
        accounts.clear();
        dead.clear();
        foreign.clear();
        book.clear();
      },
    },
  };
});

/** The body by its declared type, JSON or a form; undefined for anything else. */
function content(headers, body) {
  const type = headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return json(body);
  const form = type.startsWith('application/x-www-form-urlencoded');
  return form ? Object.fromEntries(new URLSearchParams(body.toString())) : undefined;
}

function json(body) {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
