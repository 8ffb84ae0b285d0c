/** Reading and verifying compact JWTs (RFC 7519) by node:crypto alone. */
import { verify } from 'node:crypto';

const DIGESTS = {
  ES256: key => ({ key, dsaEncoding: 'ieee-p1363' }),
  RS256: key => key,
};

/** `{header, claims}` of a well-formed token, unverified; null for anything else. */
export function read(token) {
  const parts = token.split('.');
  if (parts.length !== 3 || !parts.every(part => /^[\w-]+$/.test(part))) return null;
  try {
    const [header, claims] = parts.slice(0, 2).map(part => JSON.parse(Buffer.from(part, 'base64url').toString()));
    return isObject(header) && isObject(claims) ? { header, claims } : null;
  } catch {
    return null;
  }
}

/** Whether `key` signed `token`, and its header says that it did so by `algorithm`. */
export function signed(token, algorithm, key) {
  if (read(token)?.header.alg !== algorithm) return false;
  const dot = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  return verify('sha256', Buffer.from(token.slice(0, dot)), DIGESTS[algorithm](key), signature);
}

/** Whether `value` is what JSON calls an object. */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
