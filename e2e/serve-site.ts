/** Started by Playwright: `node tools/node/run.mjs e2e/serve-site.ts <port>`. */
import { serveSite } from './site.ts';

await serveSite(Number(process.argv[2]));
