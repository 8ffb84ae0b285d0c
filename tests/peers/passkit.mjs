/**
 * Judges pass.json files by passkit-generator, and by what Apple demands and its schema leaves open.
 *
 * Each line of stdin is one pass.json, or the arguments are folders that have one. Each gives a line of stdout, in that
 * order: {"ok": true} or {"ok": false, "errors": [...]}.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PKPass } from 'passkit-generator';

// The package exports no schema, but has one file of them beside its entry.
const { PassProps } = await import(new URL('./schemas/index.js', import.meta.resolve('passkit-generator')));

const REQUIRED = ['description', 'organizationName', 'passTypeIdentifier', 'serialNumber', 'teamIdentifier'];
const STYLES = ['boardingPass', 'coupon', 'eventTicket', 'generic', 'storeCard'];
const MAX_LOCATIONS = 10;

function judge(text) {
  let pass;
  try {
    pass = JSON.parse(text);
  } catch (error) {
    return [`no JSON: ${error.message}`];
  }
  const { error } = PassProps.validate(pass, { abortEarly: false, allowUnknown: false, convert: false });
  if (error) return error.details.map(({ message }) => message);
  return [...apples(pass), ...generated(text, pass)];
}

/** What Apple's documentation demands beyond the schema. */
function* apples(pass) {
  if (pass.formatVersion !== 1) yield 'formatVersion must be 1';
  for (const key of REQUIRED) if (!pass[key]) yield `${key} is required`;
  if (STYLES.filter(style => style in pass).length !== 1) yield 'there must be exactly one style';
  if ('authenticationToken' in pass && !('webServiceURL' in pass)) yield 'authenticationToken needs webServiceURL';
  const url = pass.webServiceURL ?? 'https://example.com';
  if (!/^https:\/\/.*[^/]$/.test(url)) yield 'webServiceURL must be https, without a slash at its end';
  if (pass.locations?.length > MAX_LOCATIONS) yield `more than ${MAX_LOCATIONS} locations`;
}

/** What PKPass complains of, or silently leaves out, when it is made of this file. */
function generated(text, pass) {
  const complaints = [];
  console.warn = complaint => complaints.push(String(complaint));
  const made = new PKPass({ 'pass.json': Buffer.from(text) });
  return [...complaints, ...lost(pass, made.props, '')];
}

function lost(before, after, path) {
  if (typeof before !== 'object' || before === null) return [];
  return Object.keys(before).flatMap(key => {
    const here = path ? `${path}.${key}` : key;
    return Object.hasOwn(after, key) ? lost(before[key], after[key], here) : [`${here} has no place in a pass`];
  });
}

function tell(text) {
  const errors = judge(text);
  console.log(JSON.stringify(errors.length ? { ok: false, errors } : { ok: true }));
}

const folders = process.argv.slice(2);
for (const folder of folders) tell(readFileSync(join(folder, 'pass.json'), 'utf8'));
if (!folders.length) for await (const line of createInterface({ input: process.stdin })) tell(line);
