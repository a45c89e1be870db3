/** `npm run serve`: the share server, set up by environment variables (docs/server.md). */
import { createServer } from './app.ts';
import { optionsFromEnvironment } from './options.ts';

const server = await createServer(optionsFromEnvironment(process.env));
process.stdout.write(`OpenVLA Web is at ${server.url}\n`);
server.sweep().catch((error: unknown) => console.error('sweep:', error));

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.close().then(() => process.exit(0));
  });
}
