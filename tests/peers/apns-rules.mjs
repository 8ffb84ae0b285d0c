/**
 * Apple's rules for one push, each broken one answered with Apple's own status and reason.
 *
 * Where APNs would answer 200 and the device then drop the push, the answer is 400 and the reason begins with
 * "Dropped:", which is no word of Apple's: a test must not be able to pass by a push that nobody would see.
 */
import { isObject, read, signed } from './jwt.mjs';

const TOKEN_LIFETIME = 60 * 60;
const TOKEN_UPDATES = 20 * 60;
const CLOCK_SKEW = 60;
const ACTIVITY_SKEW = 60 * 60; // far enough for a held-up push; milliseconds are never within it
const MAX_PAYLOAD = 4096;
const MAX_COLLAPSE_ID = 64;
const PUSH_TYPES = ['alert', 'background', 'liveactivity'];
const ACTIVITY_SUFFIX = '.push-type.liveactivity';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DEVICE = /^([0-9a-f]{2}){32,100}$/i;

const refusal = (status, reason, more = {}) => ({ status, reason, ...more });
const bad = reason => refusal(400, reason);
const dropped = what => bad(`Dropped: ${what}`);
const isPass = topic => topic.startsWith('pass.');

/** What APNs remembers between pushes, and how it judges one. */
export class Rules {
  /** `key`: the provider's public key. `topics`: what the team's key may push to. */
  constructor({ key, keyId, teamId, topics }) {
    this.provider = { key, keyId, teamId };
    this.topics = new Set(topics);
    this.clear();
  }

  clear() {
    this.devices = new Map(); // token -> the one topic it is for
    this.dead = new Map(); // token -> milliseconds since 1970
    this.tokens = new Map(); // every provider token seen -> its number
    this.accepted = new Set();
    this.newest = null; // iat of the token accepted last
  }

  /** null when the push is taken, else `{status, reason}`; `now` in seconds. */
  judge({ method, path, headers, repeated, body, certificate }, now) {
    const topic = headers['apns-topic'];
    if (method !== 'POST') return refusal(405, 'MethodNotAllowed');
    if (!path.startsWith('/3/device/')) return refusal(404, 'BadPath');
    return (
      (repeated ? bad('DuplicateHeaders') : null) ??
      this.#provider(headers.authorization, topic, certificate, now) ??
      this.#topic(topic, certificate) ??
      fields(headers, topic) ??
      payload(headers['apns-push-type'], topic, body, now) ??
      this.#device(path.slice('/3/device/'.length).toLowerCase(), topic)
    );
  }

  /** Who is asking: by token, else by certificate. */
  #provider(authorization, topic, certificate, now) {
    if (authorization === undefined && certificate) {
      return certificate.trusted ? null : refusal(403, 'BadCertificate');
    }
    const token = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (!token) return refusal(403, 'MissingProviderToken');
    if (!this.tokens.has(token)) this.tokens.set(token, this.tokens.size + 1);
    const { header, claims } = read(token) ?? {};
    const { key, keyId, teamId } = this.provider;
    const right = header?.kid === keyId && claims.iss === teamId && Number.isInteger(claims.iat);
    if (!right || !signed(token, 'ES256', key) || claims.iat > now + CLOCK_SKEW) {
      return refusal(403, 'InvalidProviderToken');
    }
    if (now - claims.iat > TOKEN_LIFETIME) return refusal(403, 'ExpiredProviderToken');
    return this.#update(token, claims.iat);
  }

  /** Tokens are counted by team, not by connection: two senders with a token each are too many. */
  #update(token, iat) {
    if (this.accepted.has(token)) return null;
    if (this.newest !== null && iat - this.newest < TOKEN_UPDATES) return refusal(429, 'TooManyProviderTokenUpdates');
    this.accepted.add(token);
    this.newest = iat;
    return null;
  }

  #topic(topic, certificate) {
    if (!topic) return bad('MissingTopic');
    const allowed = certificate?.trusted ? topic === certificate.uid : this.topics.has(topic);
    return allowed ? null : bad('TopicDisallowed');
  }

  #device(token, topic) {
    if (token === '') return bad('MissingDeviceToken');
    if (!DEVICE.test(token)) return bad('BadDeviceToken');
    if ((this.devices.get(token) ?? topic) !== topic) return bad('DeviceTokenNotForTopic');
    if (this.dead.has(token)) return refusal(410, 'Unregistered', { timestamp: this.dead.get(token) });
    return null;
  }
}

/** The header fields but topic and authorization. */
function fields(headers, topic) {
  const type = headers['apns-push-type'];
  const priority = headers['apns-priority'] ?? '10';
  const activity = topic.endsWith(ACTIVITY_SUFFIX);
  if (!PUSH_TYPES.includes(type) || (type === 'liveactivity') !== activity) return bad('InvalidPushType');
  if (!UUID.test(headers['apns-id'] ?? '00000000-0000-0000-0000-000000000000')) return bad('BadMessageId');
  if (!['1', '5', '10'].includes(priority)) return bad('BadPriority');
  if (type === 'background' && !isPass(topic) && priority !== '5') return bad('BadPriority');
  // Ten digits last until 2286: more of them are milliseconds.
  if (!/^\d{1,10}$/.test(headers['apns-expiration'] ?? '0')) return bad('BadExpirationDate');
  if (Buffer.byteLength(headers['apns-collapse-id'] ?? '') > MAX_COLLAPSE_ID) return bad('BadCollapseId');
  return null;
}

function payload(type, topic, body, now) {
  if (body.length === 0) return bad('PayloadEmpty');
  if (body.length > MAX_PAYLOAD) return refusal(413, 'PayloadTooLarge');
  const content = parsed(body);
  if (!isObject(content)) return dropped('the payload is no JSON object');
  if (isPass(topic)) return Object.keys(content).length ? dropped('a pass takes an empty payload') : null;
  const { aps } = content;
  if (!isObject(aps)) return bad('PayloadEmpty');
  if (type === 'liveactivity') return activity(aps, now);
  if (type === 'background') return background(aps);
  return ['alert', 'badge', 'sound'].some(key => key in aps) ? null : dropped('an alert without alert, badge or sound');
}

function background(aps) {
  if (aps['content-available'] !== 1) return dropped('aps.content-available');
  return ['alert', 'badge', 'sound'].some(key => key in aps) ? dropped('a background push that alerts') : null;
}

function activity(aps, now) {
  const { timestamp, event } = aps;
  if (!Number.isInteger(timestamp)) return dropped('aps.timestamp');
  if (Math.abs(timestamp - now) > ACTIVITY_SKEW) return dropped('aps.timestamp is not of this hour');
  if (!['start', 'update', 'end'].includes(event)) return dropped('aps.event');
  if (!isObject(aps['content-state'])) return dropped('aps.content-state');
  for (const date of ['stale-date', 'dismissal-date']) {
    if (date in aps && !Number.isInteger(aps[date])) return dropped(`aps.${date}`);
  }
  const starts = typeof aps['attributes-type'] === 'string' && isObject(aps.attributes) && isObject(aps.alert);
  return event === 'start' && !starts ? dropped('a start without attributes-type, attributes and alert') : null;
}

function parsed(body) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
