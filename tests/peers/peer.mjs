/**
 * The side of a peer that its test holds: commands come as JSON lines on stdin, each is answered by one line on stdout.
 *
 * The first command is `start`, whose answer tells the ports. The process ends when stdin does, so that no peer
 * outlives its test, however that ended.
 */
import { createInterface } from 'node:readline';

const machineTime = Date.now; // a peer may give libraries its own

/** Serve the commands that `start(config)` gives as `{ready, commands}`. */
export function run(start) {
  console.log = console.error; // stdout is the test's
  let commands = {
    start: async config => {
      const peer = await start(config);
      commands = peer.commands;
      return peer.ready;
    },
  };
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async line => {
    const { id, name, args } = JSON.parse(line);
    const answer = await answered(commands, name, args);
    process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
  });
  lines.on('close', () => process.exit(0));
}

async function answered(commands, name, args) {
  try {
    if (!Object.hasOwn(commands, name)) throw new Error(`no such command: ${name}`);
    return { value: (await commands[name](args)) ?? null };
  } catch (error) {
    return { error: String(error.stack) };
  }
}

/** What a peer was asked, what it shall answer, and what time it thinks it is. */
export class Book {
  #records = [];
  #script = [];
  #waiting = [];
  #seconds = null;

  /** Seconds since 1970: the test's time once it set one, else the machine's. */
  now() {
    return this.#seconds ?? machineTime() / 1000;
  }

  setNow(seconds) {
    this.#seconds = seconds;
  }

  /** Keep a record. Done before anything is answered: who has the answer finds the record. */
  note(record) {
    this.#records.push(record);
    this.#waiting = this.#waiting.filter(({ atLeast, resolve }) => {
      if (this.#records.length < atLeast) return true;
      resolve(this.#records);
      return false;
    });
    return record;
  }

  /** All records, as soon as there are so many. */
  records(atLeast = 0) {
    if (this.#records.length >= atLeast) return this.#records;
    return new Promise(resolve => this.#waiting.push({ atLeast, resolve }));
  }

  /** Add to what shall happen, in order. */
  script(troubles) {
    this.#script.push(...troubles);
  }

  get unplayed() {
    return this.#script.length;
  }

  /** The first scripted trouble that names nothing other than `where`; `well` when there is none. */
  peek(where) {
    return this.#script[this.#find(where)] ?? { kind: 'well' };
  }

  /** As `peek`, and it is used up by this. */
  take(where) {
    const found = this.#find(where);
    return found < 0 ? { kind: 'well' } : this.#script.splice(found, 1)[0];
  }

  #find(where) {
    return this.#script.findIndex(one =>
      Object.entries(where).every(([name, value]) => one[name] === undefined || one[name] === value),
    );
  }

  clear() {
    this.#records = [];
    this.#script = [];
    this.#seconds = null;
  }

  /** The commands every peer knows. */
  get commands() {
    return {
      now: ({ seconds }) => this.setNow(seconds),
      records: ({ at_least }) => this.records(at_least),
      script: ({ troubles }) => this.script(troubles),
      unplayed: () => this.unplayed,
    };
  }
}

/** Resolves to the port that `server` then listens on. */
export function listening(server) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

/** Resolves to all that `stream` carries. */
export async function everything(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
