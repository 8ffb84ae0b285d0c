/**
 * A push service and the browsers behind it: web-push-testing subscribes, checks and decrypts; what it does not look
 * at, the rules of RFC 8030, 8188 and 8292, is checked here first.
 */
import { createPublicKey } from 'node:crypto';
import push from 'web-push-testing/src/PushApiModel.js';
import { read, signed } from './jwt.mjs';
import { Book, run } from './peer.mjs';
import { serve, troubled } from './web.mjs';

const MAX_BODY = 4096;
const DAY = 24 * 60 * 60;
const URGENCIES = ['very-low', 'low', 'normal', 'high'];

run(async ({ tls }) => {
  const book = new Book();
  Date.now = () => book.now() * 1000; // web-push-testing judges a token's age by it
  let model;
  const clear = () => {
    model = new push.PushApiModel();
    model.notifyUrl = `${web.origin}/push/`;
  };

  const web = await serve(tls, async ({ method, path, headers, body }) => {
    const { message, claims, ...judged } = await judge({ method, path, headers, body });
    const trouble = judged.status === 201 ? book.take({ to: web.origin + path }) : { kind: 'well' };
    const answer = troubled(trouble, judged, (_status, reason) => ({ reason }));
    book.note({
      endpoint: web.origin + path,
      message: message ?? null,
      ttl: headers.ttl ?? null,
      urgency: headers.urgency ?? null,
      topic: headers.topic ?? null,
      claims: claims ?? {},
      headers,
      status: answer.status ?? null,
      reason: answer.reason ?? '',
      trouble: trouble.kind,
    });
    return answer;
  });

  const judge = async ({ method, path, headers, body }) => {
    const hash = /^\/push\/([0-9a-f]{64})$/.exec(path)?.[1];
    const subscription = model.subscriptions[hash];
    if (!subscription) return refusal(404, 'no such subscription');
    if (subscription.isExpired) return refusal(410, 'the subscription has expired');
    if (method !== 'POST') return refusal(405, 'not POST');
    const wrong = fields(headers) ?? (body.length > MAX_BODY ? refusal(413, 'the body is over 4096 octets') : null);
    const { claims = {}, ...untrusted } = wrong ?? vapid(headers.authorization, subscription, web.origin, book.now());
    if (untrusted.status) return { ...untrusted, claims };
    // A view whose messages are this request's alone: others may be decrypted at the same time.
    const view = Object.assign(Object.create(model), { messages: {} });
    const asked = { encoding: headers['content-encoding'], authorization: headers.authorization, ttl: headers.ttl };
    try {
      await view.handleNotification(hash, asked, body);
    } catch (error) {
      return { ...refusal(400, error.message), claims };
    }
    const location = `${web.origin}/message/${hash}`;
    return { status: 201, headers: { location, ttl: headers.ttl }, message: view.messages[hash][0], claims };
  };

  clear();
  return {
    ready: { origin: web.origin },
    commands: {
      ...book.commands,
      subscribe: async ({ key }) => {
        const { endpoint, keys } = await model.subscribe({ userVisibleOnly: 'true', applicationServerKey: key });
        return { endpoint, keys };
      },
      expire: ({ endpoint }) => model.expireSubscription(endpoint.split('/').pop()),
      clear: () => {
        web.close();
        book.clear();
        clear();
      },
    },
  };
});

const refusal = (status, reason) => ({ status, reason, body: { reason } });

/** RFC 8030: what the service is to do with the message. RFC 8188: how it is encrypted. */
function fields({ 'content-encoding': encoding, ttl, urgency = 'normal', topic = 'none' }) {
  if (encoding !== 'aes128gcm') return refusal(415, 'Content-Encoding is not aes128gcm');
  if (!/^\d{1,10}$/.test(ttl ?? '')) return refusal(400, 'TTL is no number of seconds');
  if (!URGENCIES.includes(urgency)) return refusal(400, 'Urgency is none of the four');
  return /^[\w-]{1,32}$/.test(topic) ? null : refusal(400, 'Topic is not 1 to 32 characters of base64url');
}

/** RFC 8292: who is sending, by the key that the subscription was made for. */
function vapid(authorization, subscription, origin, now) {
  const [, scheme, list] = /^(\S+)\s+(.*)$/.exec(authorization ?? '') ?? [];
  if (scheme?.toLowerCase() !== 'vapid') return refusal(401, 'no vapid credentials');
  const { t = '', k = '' } = Object.fromEntries(list.split(',').map(one => one.trim().split(/=(.*)/s, 2)));
  const key = publicKey(k);
  if (!key || !signed(t, 'ES256', key)) return refusal(403, 'the token is not signed by ES256 with the key k');
  const { claims } = read(t);
  const denied = reason => ({ ...refusal(403, reason), claims });
  if (k !== subscription.applicationServerKey) return denied('the subscription is for another key');
  if (claims.aud !== origin) return denied(`aud is not ${origin}`);
  if (!Number.isInteger(claims.exp) || claims.exp <= now) return denied('the token has expired');
  if (claims.exp > now + DAY) return denied('exp is more than 24 hours away');
  if (!/^(mailto:\S+@|https:\/\/)\S+$/.test(claims.sub)) return denied('sub is neither mailto: nor https:');
  return { claims };
}

/** The key of an uncompressed P-256 point in base64url; null for anything else. */
function publicKey(text) {
  const point = Buffer.from(text, 'base64url');
  if (point.length !== 65 || point[0] !== 4) return null;
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(half => half.toString('base64url'));
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y } });
  } catch {
    return null;
  }
}
