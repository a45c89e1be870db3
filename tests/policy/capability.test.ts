import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { demandOf } from '../../src/model/policy/demand.ts';
import type { Manifest } from '../../src/model/weights/manifest.ts';
import {
  assessCapability,
  formatBytes,
  type Machine,
  type PackageDemand,
} from '../../src/model/policy/capability.ts';

const GB = 2 ** 30;
const small: PackageDemand = {
  storedBytes: 4e6,
  weightBytes: 5e6,
  largestTensorBytes: 3e6,
  activationBytes: 1e6,
  flop: 1e9,
};
const large: PackageDemand = {
  storedBytes: 4.2e9,
  weightBytes: 4.5e9,
  largestTensorBytes: 480e6,
  activationBytes: 200e6,
  flop: 8.6e12,
};
const laptop: Machine = {
  choice: { backend: 'wasm', reason: 'No GPU adapter was found.', adapter: null, limits: null, threads: 4 },
  deviceMemoryGib: 8,
  storage: { quota: 50e9, usage: 1e9 },
  alreadyStored: 0,
};
const workstation: Machine = {
  ...laptop,
  choice: {
    backend: 'webgpu',
    reason: 'Runs on the GPU.',
    adapter: { vendor: 'nvidia', architecture: '', description: '', isFallback: false },
    limits: { maxBufferSize: 4 * GB, maxStorageBufferBindingSize: 2 * GB },
    threads: 8,
  },
};
const laptopWith = (threads: number): Machine => ({ ...laptop, choice: { ...laptop.choice, threads } });
const statusOf = (demand: PackageDemand, machine: Machine, id: string) =>
  assessCapability(demand, machine).checks.find((check) => check.id === id)?.status;

const planned = (bytes: number) => ({ bytes, largestBuffer: 470e6, refusal: null });
const refused = (refusal: string) => ({ bytes: null, largestBuffer: null, refusal });

describe('assessCapability', () => {
  it('lets a small policy run anywhere', () => {
    expect(assessCapability(small, laptop).verdict).toBe('ok');
    expect(assessCapability(small, { ...laptop, deviceMemoryGib: null, storage: null }).verdict).toBe('ok');
  });

  it('refuses 7B without a GPU: it does not fit a WASM heap', () => {
    const { verdict, checks } = assessCapability(large, laptop);
    expect(verdict).toBe('no');
    expect(checks.find(({ id }) => id === 'memory')).toMatchObject({
      status: 'fail',
      found: '3.2 GB usable by WebAssembly',
    });
    // What does not fit is not said to run.
    expect(JSON.stringify(checks)).not.toMatch(/It will run/);
  });

  it('says how long a prediction of 1B takes on a CPU, which its size on disk does not tell', () => {
    const billion: PackageDemand = { ...small, storedBytes: 0.7e9, weightBytes: 0.7e9, flop: 1.2e12 };
    const { verdict, checks } = assessCapability(billion, laptopWith(2));
    expect(verdict).toBe('slow');
    expect(checks.find(({ id }) => id === 'gpu')).toMatchObject({
      status: 'warn',
      hint: expect.stringMatching(/^It will run, but a prediction takes about 20 seconds/) as string,
    });
    expect(assessCapability(billion, laptopWith(64)).verdict).toBe('ok');
    expect(assessCapability(billion, workstation).verdict).toBe('ok');
  });

  it('runs 7B on a GPU whose buffers are large enough, and only there', () => {
    expect(assessCapability(large, workstation).verdict).toBe('ok');
    const limits = { maxBufferSize: 256e6, maxStorageBufferBindingSize: 128e6 };
    const weak: Machine = { ...workstation, choice: { ...workstation.choice, limits } };
    expect(assessCapability(large, weak).verdict).toBe('no');
    expect(statusOf(large, weak, 'limits')).toBe('fail');
  });

  it('says what was planned for a GPU, to predict and to fine-tune', () => {
    const gpu = { prediction: planned(5.31e9), training: { ...planned(10.37e9), rank: 32, batch: 1 } };
    const { verdict, checks } = assessCapability({ ...large, gpu }, workstation);
    expect(verdict).toBe('ok');
    expect(checks.find(({ id }) => id === 'memory')).toMatchObject({
      status: 'ok',
      needed: '5.3 GB to predict; 10.4 GB to fine-tune (LoRA rank 32, one sample at a time)',
    });
    expect(checks.find(({ id }) => id === 'limits')).toMatchObject({
      status: 'ok',
      found: 'buffers of up to 4.3 GB, 2.1 GB of one at a time',
      needed: '470 MB',
    });
  });

  it('says which limit of a GPU is too small, for fine-tuning alone or for both', () => {
    const why = 'linear: found a tensor of 470 bytes, expected at most 134, which is what this device binds.';
    const training = { ...refused(why), rank: 32, batch: 1 };
    const some = assessCapability({ ...large, gpu: { prediction: planned(5e9), training } }, workstation);
    expect(some.verdict).toBe('ok');
    expect(some.checks.find(({ id }) => id === 'limits')).toMatchObject({
      status: 'warn',
      hint: `It will predict here, but cannot be fine-tuned: ${why} Use a more strongly quantised package, or another GPU.`,
    });
    const none = assessCapability({ ...large, gpu: { prediction: refused(why), training } }, workstation);
    expect(none.verdict).toBe('no');
    expect(none.checks.find(({ id }) => id === 'memory')).toMatchObject({
      needed: expect.stringMatching(/^more than this GPU can hold to predict/) as string,
    });
  });

  it('counts what is stored already as room that is not needed', () => {
    const full: Machine = { ...workstation, storage: { quota: 5e9, usage: 4.5e9 } };
    expect(statusOf(large, full, 'storage')).toBe('fail');
    expect(statusOf(large, { ...full, alreadyStored: large.storedBytes }, 'storage')).toBe('ok');
  });

  it('warns of a single thread, and says why', () => {
    const single: Machine = { ...laptop, choice: { ...laptop.choice, threads: 1 } };
    const threads = assessCapability(small, single).checks.find(({ id }) => id === 'threads');
    expect(threads?.status).toBe('warn');
    expect(threads?.hint).toMatch(/COOP and COEP/);
  });

  it('warns of a software adapter that was asked for', () => {
    const adapter = { vendor: 'google', architecture: 'swiftshader', description: '', isFallback: true };
    const software: Machine = { ...workstation, choice: { ...workstation.choice, adapter } };
    expect(statusOf(small, software, 'gpu')).toBe('warn');
    expect(statusOf(small, workstation, 'gpu')).toBe('ok');
  });

  it('every check that is not ok says what to do', () => {
    const machine: Machine = {
      ...laptop,
      storage: { quota: 1, usage: 1 },
      choice: { ...laptop.choice, threads: 1 },
    };
    const silent = assessCapability(large, machine).checks.filter(
      ({ status, hint }) => status !== 'ok' && hint === '',
    );
    expect(silent).toEqual([]);
  });
});

it('counts the arithmetic of the policy that ships about as it was measured', () => {
  const manifest = JSON.parse(readFileSync('public/models/default/manifest.json', 'utf8')) as Manifest;
  const { flop } = demandOf(manifest, parsePolicyConfig(manifest.config));
  // 31 ms at 13.0 GFLOPS (docs/measurements.md).
  expect(flop / 1e9).toBeGreaterThan(0.3);
  expect(flop / 1e9).toBeLessThan(0.6);
});

it('formats bytes as file managers do', () => {
  expect([0, 999, 1500, 2.8e6, 4.2e9].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.5 KB',
    '2.8 MB',
    '4.2 GB',
  ]);
});
