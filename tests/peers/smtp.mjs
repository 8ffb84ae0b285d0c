/**
 * A real SMTP server that keeps what it is sent, byte for byte, and refuses mail that breaks RFC 5321, 5322 or 6531.
 *
 * A scripted reply or break stands `at` connect, auth, mail, rcpt or data; the one at data comes after the whole
 * message, except for a cut, which comes at its first byte.
 */
import { SMTPServer } from 'smtp-server';
import { Book, everything, listening, run } from './peer.mjs';

const LONGEST_LINE = 998;
const ONCE = ['date', 'from', 'message-id'];

run(async ({ tls, mode, user, password, size }) => {
  const mails = new Book();
  const sockets = new Map(); // by the client's port, which is all that the handlers are told

  /** Let what was scripted for `at` happen, else `next`. */
  const step = (at, to, session, done, next) => {
    const trouble = mails.take({ at, ...(to && { to }) });
    if (trouble.kind === 'hang') return;
    if (trouble.kind === 'cut') return void sockets.get(session.remotePort).resetAndDestroy();
    if (trouble.kind === 'answer') return void done(error(trouble.status, trouble.reason));
    next();
  };

  const server = new SMTPServer({
    ...tls,
    secure: mode === 'implicit',
    name: 'mail.example.com',
    size,
    authOptional: user === null,
    disabledCommands: [...(mode === 'starttls' ? [] : ['STARTTLS']), ...(user === null ? ['AUTH'] : [])],
    disableReverseLookup: true,
    logger: false,
    onConnect: (session, done) => step('connect', '', session, done, done),
    onAuth: (auth, session, done) =>
      step('auth', '', session, done, () => {
        if (auth.username === user && auth.password === password) done(null, { user });
        else done(error(535, '5.7.8 Authentication credentials invalid'));
      }),
    onMailFrom: ({ address }, session, done) => step('mail', address, session, done, done),
    onRcptTo: ({ address }, session, done) => step('rcpt', address, session, done, done),
    onData: async (stream, session, done) => {
      const { mailFrom, rcptTo, bodyType, smtpUtf8 } = session.envelope;
      if (mails.peek({ at: 'data' }).kind === 'cut') {
        mails.take({ at: 'data' });
        stream.once('data', () => sockets.get(session.remotePort)?.resetAndDestroy());
        return;
      }
      const raw = await everything(stream).catch(() => null);
      if (raw === null) return; // the client went away while sending
      const fault = stream.sizeExceeded ? '552 5.3.4 Message too big' : faultOf(raw, bodyType, smtpUtf8);
      const refusal = fault ? { status: Number(fault.slice(0, 3)), reason: fault.slice(4) } : null;
      const trouble = refusal ? { kind: 'well' } : mails.take({ at: 'data' });
      const answer = refusal ?? (trouble.kind === 'answer' ? trouble : { status: 250, reason: '2.0.0 Ok: queued' });
      const answers = trouble.kind !== 'hang';
      mails.note({
        session: session.id,
        sender: mailFrom.address,
        recipients: rcptTo.map(({ address }) => address),
        user: session.user ?? null,
        secure: session.secure,
        raw: raw.toString('base64'),
        status: answers ? answer.status : null,
        reason: answers ? answer.reason : '',
      });
      if (!answers) return;
      if (answer.status === 250) done(null, answer.reason);
      else done(error(answer.status, answer.reason));
    },
  });
  server.on('error', () => {}); // a client that broke off
  server.server.on('connection', socket => {
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.on('close', () => sockets.delete(remotePort));
  });

  const port = await listening(server.server);
  return {
    ready: { port },
    commands: {
      ...mails.commands,
      clear: () => {
        for (const socket of sockets.values()) socket.destroy();
        mails.clear();
      },
    },
  };
});

function error(responseCode, text) {
  return Object.assign(new Error(text), { responseCode });
}

/** The reply to a message that is not well formed, or null. */
function faultOf(raw, bodyType, smtpUtf8) {
  const text = raw.toString('latin1');
  const fault = what => `554 5.6.0 ${what}`;
  if (/(^|[^\r])\n|\r(?!\n)/.test(text)) return fault('A line ends in less than CRLF');
  const long = text.split('\r\n').some(line => line.length > LONGEST_LINE);
  if (long) return fault(`A line is over ${LONGEST_LINE} octets`);
  const head = text.split('\r\n\r\n', 1)[0];
  const names = [...head.matchAll(/^([\x21-\x39\x3b-\x7e]+):/gm)].map(([, name]) => name.toLowerCase());
  for (const name of ONCE) {
    if (names.filter(one => one === name).length !== 1) return fault(`Not exactly one ${name}`);
  }
  const eight = part => /[\x80-\xff]/.test(part);
  if (eight(head) && !smtpUtf8) return fault('An eight-bit header without SMTPUTF8');
  if (eight(text) && bodyType !== '8bitmime') return fault('An eight-bit body without BODY=8BITMIME');
  return null;
}
