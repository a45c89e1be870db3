import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Random } from '../../src/base/random.ts';
import { onCleanUp } from './start-server.ts';

/** How often, of a thousand packets, a connection is cut, and how often it goes dead: what is sent on it arrives nowhere. */
const CUT = 8;
const DEAD = 4;
/** A dead connection is given up by somebody between the two at last. */
const DEAD_MS = 1500;

export interface FlakyLine {
  readonly url: string;
  /** What happened on it so far. */
  readonly faults: { cut: number; dead: number };
}

/** A way to a server on which packets are lost. What got through before a fault got through: the one who sent it does not know. */
export async function flakyLine(target: string, seed: number): Promise<FlakyLine> {
  const { hostname, port } = new URL(target);
  const random = new Random(seed);
  const faults = { cut: 0, dead: 0 };
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    let dead = false;
    const end = () => {
      near.resetAndDestroy();
      far.resetAndDestroy();
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('error', end);
      from.on('close', () => {
        open.delete(from);
        to.end();
      });
      from.on('data', (bytes: Buffer) => {
        if (dead) return;
        const fault = random.integer(1000);
        if (fault < CUT) {
          faults.cut++;
          // The first half arrives.
          to.write(bytes.subarray(0, bytes.length >> 1), end);
        } else if (fault < CUT + DEAD) {
          faults.dead++;
          dead = true;
          setTimeout(end, DEAD_MS);
        } else if (!to.write(bytes)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onCleanUp(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, faults };
}
