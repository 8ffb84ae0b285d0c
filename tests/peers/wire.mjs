/** What lies between Node's HTTP/2 and a socket: here frames go out that Node itself never sends. */
import { Duplex } from 'node:stream';

const DATA = 0;
const GOAWAY = 7;
const END_STREAM = 1;
const HEADER_BYTES = 9;

/**
 * Everything is passed on at once and whole, so that between any two turns of the loop the wire is between two frames.
 * Not for what is large: nobody is held back.
 */
export class Wire extends Duplex {
  #socket;
  #payload = 0; // of the frame going out, what has not gone yet
  #padded = new Set();

  constructor(socket) {
    super();
    this.#socket = socket;
    socket.on('data', chunk => this.push(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', () => {}); // followed by close
    socket.on('close', () => this.destroy());
  }

  /** Let the DATA frame that ends the stream be preceded by an empty one that does not. */
  padEnd(streamId) {
    this.#padded.add(streamId);
  }

  /** Send GOAWAY (RFC 9113, 6.8) without an error; all streams up to `lastStream` may have been processed. */
  goaway(lastStream, text) {
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32BE(lastStream);
    this.#send(frame(GOAWAY, 0, 0, Buffer.concat([numbers, Buffer.from(text)])));
  }

  /** Close towards the client, after all that was sent. */
  finish() {
    this.#socket.end();
  }

  _read() {}

  _write(chunk, _encoding, done) {
    for (let at = 0; at < chunk.length; ) at = this.#pass(chunk, at);
    done();
  }

  _writev(chunks, done) {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), null, done);
  }

  _final(done) {
    this.finish();
    done();
  }

  _destroy(error, done) {
    this.#socket.destroy();
    done(error);
  }

  /** Pass on what `chunk` has from `at` on of one frame's header or payload; returns where that ends. */
  #pass(chunk, at) {
    if (this.#payload > 0) {
      const part = chunk.subarray(at, at + this.#payload);
      this.#payload -= part.length;
      this.#send(part);
      return at + part.length;
    }
    // nghttp2 never splits a header.
    const header = chunk.subarray(at, at + HEADER_BYTES);
    const [type, flags, streamId] = [header[3], header[4], header.readUInt32BE(5)];
    this.#payload = header.readUIntBE(0, 3);
    if (type === DATA && flags & END_STREAM && this.#padded.delete(streamId)) this.#send(frame(DATA, 0, streamId));
    this.#send(header);
    return at + HEADER_BYTES;
  }

  #send(bytes) {
    if (this.#socket.writable) this.#socket.write(bytes);
  }
}

function frame(type, flags, streamId, payload = Buffer.alloc(0)) {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}
