/** Google's token endpoint (RFC 7523) and FCM's HTTP v1 API, as strict as their documentation. */
import { randomBytes } from 'node:crypto';
import { isObject, read, signed } from './jwt.mjs';

export const TOKEN_LIFETIME = 3600;
const ENDPOINT = 'https://oauth2.googleapis.com/token'; // the audience that google-auth names, wherever it asks
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPES = ['https://www.googleapis.com/auth/firebase.messaging', 'https://www.googleapis.com/auth/cloud-platform'];
const MAX_MESSAGE = 4096;
const RESERVED = /^(from|message_type|google\..*|gcm\..*)$/;
const DURATION = /^\d+(\.\d{1,9})?s$/;
const STATUSES = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

/** The access tokens that Google issued: only these open the API. */
export class Accounts {
  constructor({ key, email }) {
    this.key = key;
    this.email = email;
    this.clear();
  }

  clear() {
    this.issued = new Map(); // access token -> {scopes, until}
  }

  /** The answer to a request for a token at `url`, with the assertion's `claims`. */
  grant({ headers, body }, url, now) {
    const form = new URLSearchParams(body.toString());
    const assertion = form.get('assertion') ?? '';
    const { claims } = read(assertion) ?? {};
    const refusal = (reason, error_description) => ({
      status: 400,
      reason,
      claims,
      body: { error: reason, error_description },
    });
    if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
      return refusal('invalid_request', 'Not a form.');
    }
    if (form.get('grant_type') !== GRANT) return refusal('unsupported_grant_type', 'Invalid grant_type.');
    if (!claims || !signed(assertion, 'RS256', this.key)) return refusal('invalid_grant', 'Invalid JWT Signature.');
    const { iss, aud, iat, exp, scope } = claims;
    if (iss !== this.email) return refusal('invalid_grant', 'Invalid grant: account not found');
    if (![url, ENDPOINT].includes(aud)) return refusal('invalid_grant', 'Invalid JWT: wrong audience.');
    const times = Number.isInteger(iat) && Number.isInteger(exp) && exp > iat && exp - iat <= TOKEN_LIFETIME;
    if (!times || iat > now + 60 || exp <= now) {
      return refusal('invalid_grant', 'Invalid JWT: Token must be a short-lived token (60 minutes).');
    }
    if (!scope) return refusal('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
    const token = `ya29.${randomBytes(24).toString('base64url')}`;
    this.issued.set(token, { scopes: scope.split(' '), until: now + TOKEN_LIFETIME });
    return { status: 200, claims, body: { access_token: token, expires_in: TOKEN_LIFETIME, token_type: 'Bearer' } };
  }

  /** Why a request with this Authorization field may not send messages; null when it may. */
  refusal(authorization, now) {
    const found = this.issued.get(/^Bearer (\S+)$/i.exec(authorization ?? '')?.[1]);
    if (!found || found.until <= now) {
      return fault(401, '', 'Request had invalid authentication credentials. Expected OAuth 2 access token.');
    }
    if (found.scopes.some(scope => SCOPES.includes(scope))) return null;
    return fault(403, '', 'Request had insufficient authentication scopes.');
  }
}

/** Google's error body. `code`: FCM's own, besides the general status. */
export function fault(status, code, message = 'Error.', more = []) {
  const own = { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: code };
  const details = code ? [...more, own] : more;
  const error = { code: status, message, status: STATUSES[status], ...(details.length && { details }) };
  return { status, reason: code || STATUSES[status], body: { error } };
}

const text = value => typeof value === 'string';
const flag = value => typeof value === 'boolean';
const count = value => Number.isInteger(value);
const any = () => true;
const texts = value => Array.isArray(value) && value.every(text);
const pairs = value => isObject(value) && Object.values(value).every(text);
const duration = value => text(value) && DURATION.test(value);
const one = (...values) => value => values.includes(value);

/** What Apple checks in the header fields that it is passed; of others, only that they are texts. */
const APPLE = {
  'apns-collapse-id': value => Buffer.byteLength(value) <= 64,
  'apns-expiration': value => /^\d{1,10}$/.test(value),
  'apns-priority': one('1', '5', '10'),
};
const appleHeaders = value =>
  pairs(value) && Object.entries(value).every(([name, field]) => APPLE[name]?.(field) ?? true);

/** Every field of a message that one may send, and what it takes; by its documented name, while Google knows two. */
const MESSAGE = {
  token: text,
  data: pairs,
  notification: { title: text, body: text, image: text },
  fcm_options: { analytics_label: text },
  android: {
    collapse_key: text,
    priority: one('NORMAL', 'HIGH', 'normal', 'high'),
    ttl: duration,
    restricted_package_name: text,
    data: pairs,
    direct_boot_ok: flag,
    fcm_options: { analytics_label: text },
    notification: {
      title: text,
      body: text,
      icon: text,
      color: value => text(value) && /^#[0-9a-f]{6}$/i.test(value),
      sound: text,
      tag: text,
      click_action: text,
      body_loc_key: text,
      body_loc_args: texts,
      title_loc_key: text,
      title_loc_args: texts,
      channel_id: text,
      ticker: text,
      sticky: flag,
      event_time: text,
      local_only: flag,
      notification_priority: text,
      default_sound: flag,
      default_vibrate_timings: flag,
      visibility: one('PRIVATE', 'PUBLIC', 'SECRET'),
      notification_count: count,
      image: text,
    },
  },
  apns: {
    headers: appleHeaders,
    payload: isObject,
    live_activity_token: text,
    fcm_options: { analytics_label: text, image: text },
  },
  webpush: { headers: pairs, data: pairs, notification: any, fcm_options: { link: text, analytics_label: text } },
};
const REQUEST = { validate_only: flag, message: MESSAGE };

/** The refusal of a body, or null; `dead` and `foreign` are sets of tokens. */
export function judgeMessage(body, dead, foreign) {
  const invalid = (message, more) => fault(400, 'INVALID_ARGUMENT', message, more);
  if (!isObject(body)) return invalid('Invalid JSON payload received.');
  const wrong = misfit(body, REQUEST, '');
  if (wrong) {
    const violation = { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [wrong] };
    return invalid(wrong.description, [violation]);
  }
  const { message } = body;
  if (!message) return invalid('Request contains an invalid argument.');
  const { token, data = {} } = message;
  if (!token) return invalid('Recipient of the message is not set.');
  if (!/^[\w:-]+$/.test(token)) return invalid('The registration token is not a valid FCM registration token');
  const reserved = Object.keys(data).find(key => RESERVED.test(key));
  if (reserved) return invalid(`Invalid data payload key: ${reserved}`);
  const payload = JSON.stringify({ data, notification: message.notification });
  if (Buffer.byteLength(payload) > MAX_MESSAGE) return invalid('Android message is too big');
  if (dead.has(token)) return fault(404, 'UNREGISTERED', 'Requested entity was not found.');
  if (foreign.has(token)) return fault(403, 'SENDER_ID_MISMATCH', 'SenderId mismatch');
  return null;
}

/** The first `{field, description}` of `value` that is not as `shape` says, or null. */
function misfit(value, shape, path) {
  if (typeof shape === 'function') {
    return shape(value) ? null : { field: path, description: `Invalid value at '${path}'` };
  }
  if (!isObject(value)) return { field: path, description: `Invalid value at '${path}'` };
  for (const [name, inner] of Object.entries(value)) {
    if (!Object.hasOwn(shape, name)) {
      const place = path ? ` at '${path}'` : '';
      const description = `Invalid JSON payload received. Unknown name "${name}"${place}: Cannot find field.`;
      return { field: path, description };
    }
    const wrong = misfit(inner, shape[name], path ? `${path}.${name}` : name);
    if (wrong) return wrong;
  }
  return null;
}
