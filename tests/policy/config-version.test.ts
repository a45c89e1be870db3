import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { parseManifest } from '../../src/model/weights/manifest.ts';

describe('a package of format version 1', () => {
  it.each(['tests/packages/tiny', 'public/models/default'])('%s is read as version 2', (folder) => {
    const manifest = parseManifest(readFileSync(`${folder}/manifest.json`, 'utf8'));
    expect(manifest.formatVersion).toBe(1);
    const { llama } = (manifest.config as { network: { llama: object } }).network;
    const { network, bridge } = parsePolicyConfig(manifest.config);
    expect(bridge).toBeNull();
    expect(network).not.toHaveProperty('llama');
    expect(network.language).toEqual({
      kind: 'llama',
      ...llama,
      attention: 'bidirectional',
      slidingWindow: null,
      tiedEmbeddings: false,
    });
  });
});
