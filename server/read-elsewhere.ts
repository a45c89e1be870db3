import { partKey } from './adapter-store.ts';
import type { ReadElsewhere } from './adapter-routes.ts';
import type { ServerOptions } from './options.ts';
import type { S3Multipart } from './s3-multipart.ts';

/** Adapters that are one object can be read from the bucket; those in several parts are put together here. */
export function readElsewhere(
  reads: ServerOptions['adapterReads'] = 'server',
  bucket: S3Multipart | null,
): ReadElsewhere {
  if (reads === 'server' || bucket === null) return () => Promise.resolve(null);
  return async (sha256, seal) => {
    if (seal.bytes > seal.partBytes || seal.generation === '') return null;
    const key = partKey(sha256, seal, 0);
    if (reads === 'bucket') return bucket.signedRead(key, `${sha256}.safetensors`);
    return new URL(key.replaceAll(':', '/'), reads.href.replace(/\/?$/, '/')).href;
  };
}
