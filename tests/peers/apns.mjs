/** A fake APNs on node:http2: Apple's rules of `apns-rules.mjs` over TLS, and the trouble that a test scripts. */
import { createPublicKey, randomUUID } from 'node:crypto';
import http2 from 'node:http2';
import { createServer } from 'node:tls';
import { Rules } from './apns-rules.mjs';
import { Book, everything, listening, run } from './peer.mjs';
import { Wire } from './wire.mjs';

const SHUTDOWN = JSON.stringify({ reason: 'Shutdown' });
const KEPT = ['apns-topic', 'apns-push-type', 'apns-priority', 'apns-expiration', 'apns-id', 'apns-collapse-id'];
const SINGLE = new Set([...KEPT, 'authorization']);
const UNANSWERED = ['hang', 'reset', 'goaway'];

run(async ({ tls, client_ca, public_key, key_id, team_id, topics }) => {
  const book = new Book();
  const rules = new Rules({ key: createPublicKey(public_key), keyId: key_id, teamId: team_id, topics });
  const connections = new Map(); // session -> Connection
  let connected = 0;

  // As Apple does: one stream until the provider has shown who it is.
  const server = http2.createServer({ settings: { maxConcurrentStreams: 1 } });
  server.on('sessionError', ignored);
  server.on('stream', async (stream, headers, _flags, raw) => {
    stream.on('error', ignored);
    const connection = connections.get(stream.session);
    if (!connection.takes(stream)) return;
    const body = await everything(stream).catch(() => null);
    if (body === null) return; // the client gave up while sending
    const path = headers[':path'];
    const certificate = connection.certificate;
    const request = { method: headers[':method'], path, headers, repeated: isRepeated(raw), body, certificate };
    const refusal = rules.judge(request, book.now());
    const token = path.split('/').pop();
    const trouble = refusal ? { kind: 'well' } : book.take({ to: token.toLowerCase() });
    const answer = refusal ?? (trouble.kind === 'answer' ? trouble : { status: 200 });
    const answered = !UNANSWERED.includes(trouble.kind);
    book.note({
      connection: connection.number,
      token,
      headers: Object.fromEntries(KEPT.filter(name => name in headers).map(name => [name, headers[name]])),
      provider_token: rules.tokens.get(headers.authorization?.split(' ').pop()) ?? null,
      payload: body.toString(),
      status: answered ? answer.status : null,
      reason: answered ? (answer.reason ?? '') : '',
      trouble: trouble.kind,
    });
    if (stream.destroyed) return;
    if (answer.status !== 403) connection.widen();
    connection.befall(trouble, stream);
    const id = headers['apns-id'] ?? randomUUID().toUpperCase();
    if (answered) send(stream, id, answer, trouble.kind === 'empty-frame');
  });

  const options = { ...tls, ca: client_ca, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  const door = createServer(options, socket => {
    socket.setNoDelay(true);
    const wire = new Wire(socket);
    if (socket.alpnProtocol !== 'h2') return void wire.destroy();
    server.once('session', session => {
      connected += 1;
      connections.set(session, new Connection(connected, session, wire, socket));
      session.on('error', ignored);
      session.on('close', () => connections.delete(session));
    });
    server.emit('connection', wire);
  });
  door.on('tlsClientError', ignored);

  const port = await listening(door);
  return {
    ready: { port },
    commands: {
      ...book.commands,
      counts: () => ({
        connections: connected,
        open: connections.size,
        provider_tokens: rules.tokens.size,
        unplayed: book.unplayed,
      }),
      kill: ({ token, milliseconds }) => void rules.dead.set(token.toLowerCase(), milliseconds),
      register: ({ token, topic }) => void rules.devices.set(token.toLowerCase(), topic),
      clear: () => {
        for (const { wire } of connections.values()) wire.destroy();
        connected = 0;
        rules.clear();
        book.clear();
      },
    },
  };
});

/** One client's connection, and what may befall it. */
class Connection {
  #session;
  #streams = new Set();
  #lastStream = 0;
  #leaving = false;
  #widened = false;

  constructor(number, session, wire, socket) {
    const { subject } = socket.getPeerCertificate();
    this.number = number;
    this.wire = wire;
    this.certificate = subject ? { trusted: socket.authorized, uid: subject.UID } : null;
    this.#session = session;
  }

  /** Whether a new stream is looked at: after GOAWAY none is. */
  takes(stream) {
    if (this.#leaving) return false;
    this.#streams.add(stream);
    this.#lastStream = stream.id;
    stream.on('close', () => {
      this.#streams.delete(stream);
      this.#finish();
    });
    return true;
  }

  /** Allow as many streams as Apple does to a provider that is known. */
  widen() {
    if (!this.#widened) this.#session.settings({ maxConcurrentStreams: 1000 });
    this.#widened = true;
  }

  /** Do what was scripted, but for the answer. */
  befall({ kind, processed }, stream) {
    if (kind === 'reset') stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (kind === 'empty-frame') this.wire.padEnd(stream.id);
    if (kind === 'goaway-after') stream.once('close', () => this.#leave(this.#lastStream));
    if (kind === 'goaway') {
      // A last stream before this one says that this one was not looked at; its own number, that it may have been.
      this.#leave(processed ? stream.id : stream.id - 1);
      this.wire.finish();
    }
  }

  #leave(lastStream) {
    this.#leaving = true;
    this.wire.goaway(lastStream, SHUTDOWN);
    this.#finish();
  }

  #finish() {
    if (this.#leaving && this.#streams.size === 0) this.wire.finish();
  }
}

/** Answer; `framed` also when there is no body, so that a DATA frame ends the stream. */
function send(stream, id, { status, reason, timestamp, retry_after }, framed) {
  const headers = { ':status': status, 'apns-id': id, ...(retry_after && { 'retry-after': retry_after }) };
  if (!reason) {
    stream.respond(headers, { endStream: !framed });
    if (framed) stream.end();
  } else {
    stream.respond({ ...headers, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ reason, timestamp }));
  }
}

/** Whether a field that may stand once stands twice; Node's own headers would show them joined. */
function isRepeated(raw) {
  const names = raw.filter((name, index) => index % 2 === 0 && SINGLE.has(name));
  return new Set(names).size < names.length;
}

function ignored() {}
