/** Builds the page for the journeys: `node tools/node/run.mjs e2e/build-site.ts`. */
import { buildSite } from './site.ts';

await buildSite();
