/** Packages of format version 1 knew one language model and called it `llama`. */

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A version 1 `config` as version 2 says it; anything else as it is. */
export function upgradeConfig(json: unknown): unknown {
  if (!isObject(json) || !isObject(json['network']) || !isObject(json['network']['llama'])) return json;
  const { llama, ...network } = json['network'];
  return {
    bridge: null,
    ...json,
    network: {
      ...network,
      language: {
        kind: 'llama',
        ...llama,
        attention: 'bidirectional',
        slidingWindow: null,
        tiedEmbeddings: false,
      },
    },
  };
}
