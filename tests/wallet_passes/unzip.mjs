/** Node's reading of a ZIP on stdin: {name: SHA-1 in hex} in the order of the directory; fails where anything is amiss. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

const zip = readFileSync(0);
const end = zip.length - 22;
assert.equal(zip.readUInt32LE(end), 0x06054b50, 'no end record, or a comment after it');
const count = zip.readUInt16LE(end + 10);
assert.equal(zip.readUInt16LE(end + 8), count);
let at = zip.readUInt32LE(end + 16);
assert.equal(at + zip.readUInt32LE(end + 12), end, 'the directory does not end where the end record begins');

const found = {};
let next = 0; // where the next file must begin: none lies hidden between two
for (let i = 0; i < count; i++) {
  assert.equal(zip.readUInt32LE(at), 0x02014b50);
  const nameLength = zip.readUInt16LE(at + 28);
  const rest = zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
  const offset = zip.readUInt32LE(at + 42);
  assert.equal(offset, next, `${name} does not follow the file before it`);
  assert.equal(zip.readUInt32LE(offset), 0x04034b50);
  // Version needed, flags, method, time, date, checksum, sizes, length of the name: the same in both places.
  assert.deepEqual(zip.subarray(offset + 4, offset + 28), zip.subarray(at + 6, at + 30), name);
  assert.equal(zip.toString('utf8', offset + 30, offset + 30 + nameLength), name);
  const [method, crc, packed, size] = [10, 16, 20, 24].map(field => zip.readUInt32LE(at + field));
  const start = offset + 30 + nameLength + zip.readUInt16LE(offset + 28);
  const data = zip.subarray(start, start + packed);
  const content = (method & 0xffff) === 8 ? inflateRawSync(data) : data;
  assert.equal(content.length, size, name);
  assert.equal(checksum(content), crc, name);
  found[name] = createHash('sha1').update(content).digest('hex');
  next = start + packed;
  at += 46 + nameLength + rest;
}
assert.equal(at, end);
console.log(JSON.stringify(found));

/** CRC-32 as ZIP has it; Node's own came with 20.15. */
function checksum(content) {
  let sum = ~0;
  for (const byte of content) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
