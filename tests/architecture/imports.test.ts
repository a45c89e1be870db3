import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * Which rooms a room may import from (docs/architecture.md). A room is a path prefix; the longest match wins.
 * `src/workers` is two rooms: what the page sees (contracts, client) and the workers themselves.
 */
const ARROWS: Record<string, readonly string[]> = {
  // The error type, seeded random numbers, hashes, strict JSON: every room may have them.
  'src/base': [],
  'src/app': [
    'src/workers/boundary',
    'src/episodes/reading',
    'src/practice/success-rate',
    'src/practice/tasks',
    'src/practice/units',
    'src/practice/vocabulary',
    'src/share',
  ],
  'src/workers/boundary': ['src/episodes/reading'],
  'src/workers': [
    'src/workers/boundary',
    'src/convert',
    'src/io',
    'src/model',
    'src/episodes',
    'src/practice',
    'src/robot',
  ],
  'src/model/graph': [],
  'src/model/kernels': [],
  'src/model/weights': ['src/io'],
  'src/model/runtime': ['src/model/graph', 'src/model/kernels', 'src/model/weights'],
  'src/model/network': ['src/model/graph', 'src/model/runtime', 'src/model/weights'],
  'src/model/heads': ['src/model/graph', 'src/model/runtime', 'src/model/network'],
  'src/model/policy': [
    'src/model/heads',
    'src/model/graph',
    'src/model/kernels',
    'src/model/runtime',
    'src/model/weights',
    'src/model/network',
  ],
  'src/model/finetune': [
    'src/io',
    'src/model/graph',
    'src/model/kernels',
    'src/model/runtime',
    'src/model/weights',
    'src/model/network',
    'src/model/heads',
    'src/model/policy',
  ],
  'src/model/pretrain': ['src/model/graph', 'src/model/network', 'src/model/heads', 'src/model/policy'],
  'src/convert': ['src/io', 'src/model/heads', 'src/model/network', 'src/model/policy', 'src/model/weights'],
  'src/io': [],
  // How a dataset is read: plain data and words.
  'src/episodes/reading': [],
  'src/episodes': ['src/episodes/reading', 'src/io'],
  'src/robot': ['src/episodes', 'src/model/policy'],
  'src/share': [],
  'src/practice/success-rate': [],
  // What the table can be told: words, without physics or drawing.
  'src/practice/tasks': ['src/practice'],
  'src/practice/vocabulary': ['src/practice', 'src/practice/tasks'],
  'src/practice/units': [],
  'src/practice': [
    'src/practice/success-rate',
    'src/practice/units',
    'src/practice/tasks',
    'src/episodes',
    'src/robot',
  ],
};

/** Packages that only one room may name, and packages no library room may name. */
const ONLY_IN: Record<string, string | readonly string[]> = {
  'onnxruntime-web': 'src/model/runtime',
  'onnxruntime-node': 'src/model/runtime',
  'onnxruntime-common': 'src/model/runtime',
  '@zip.js/zip.js': ['src/io', 'src/model/weights'],
  '@huggingface/hub': 'src/io',
  'apache-arrow': 'src/episodes',
  hyparquet: 'src/episodes',
  'hyparquet-writer': 'src/episodes',
  three: ['src/practice', 'src/workers'],
  '@mujoco/mujoco': 'src/practice',
  mediabunny: 'src/episodes',
  'tus-js-client': 'src/share',
  'hash-wasm': ['src/base', 'src/convert'],
  'llama-tokenizer-js': 'src/convert',
  react: 'src/app',
  zustand: 'src/app',
  uplot: 'src/app',
};

function roomOf(path: string): string {
  const rooms = Object.keys(ARROWS).filter(
    (room) => path === room || path.startsWith(`${room}/`) || path.startsWith(`${room}.`),
  );
  return rooms.toSorted((a, b) => b.length - a.length)[0] ?? path;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.(test|d)\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const pattern = /(?:import|export)\s[^;]*?from\s+'([^']+)'|import\s+'([^']+)'|import\(\s*'([^']+)'/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3]!);
}

describe('import directions', () => {
  const edges = sources('src').flatMap((file) =>
    importsOf(file).map((specifier) => ({ file: relative('.', file), specifier })),
  );

  it('finds imports at all', () => {
    expect(edges.length).toBeGreaterThan(50);
  });

  it('every arrow between rooms is drawn in docs/architecture.md', () => {
    const wrong = edges.flatMap(({ file, specifier }) => {
      if (!specifier.startsWith('.')) return [];
      const from = roomOf(file);
      const to = roomOf(normalize(join(dirname(file), specifier)).replace(/\?.*$/, ''));
      const allowed = ARROWS[from];
      const fits =
        from === to || to === 'src/base' || allowed?.some((room) => to === room || to.startsWith(`${room}/`));
      return fits ? [] : [`${file} imports ${specifier} (${from} → ${to})`];
    });
    expect(wrong).toEqual([]);
  });

  it('packages stay in the room that owns them', () => {
    const wrong = edges.flatMap(({ file, specifier }) => {
      const owner = Object.entries(ONLY_IN).find(
        ([name]) => specifier === name || specifier.startsWith(`${name}/`),
      );
      // The worker names the URLs of onnxruntime's files for the bundler, nothing of its code.
      const rooms = [owner?.[1] ?? []].flat();
      const fits = rooms.some((room) => file.startsWith(room));
      if (!owner || fits || specifier.endsWith('?url')) return [];
      return [`${file} imports ${specifier}, which belongs to ${rooms.join(' and ')}`];
    });
    expect(wrong).toEqual([]);
  });

  it('the library knows no DOM: neither document nor the global window', () => {
    const wrong = sources('src/model').filter((file) =>
      /\bdocument\.|\bwindow\.(document|location|addEventListener|open)/.test(readFileSync(file, 'utf8')),
    );
    expect(wrong).toEqual([]);
  });
});
