/** `npm run serve`: the share server, set up by environment variables (docs/server.md). */
import { parseArguments } from '../tools/node/arguments.ts';
import { createServer } from './app.ts';
import { optionsFromEnvironment } from './options.ts';

const USAGE = `usage: npm run serve

Serves the built page and keeps what is shared. It takes no arguments: environment variables set it up, such as PORT
(default 5173), HOST (default 127.0.0.1) and DATA_DIR (default .data). docs/server.md lists them all.`;

parseArguments(USAGE, { options: {} });
const server = await createServer(optionsFromEnvironment(process.env));
process.stdout.write(`OpenVLA Web is at ${server.url}\n`);
server.sweep().catch((error: unknown) => console.error('sweep:', error));

let closing = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    // Who asks twice does not want to wait for readers.
    if (closing) process.exit(1);
    closing = true;
    void server.close().then(() => process.exit(0));
  });
}
