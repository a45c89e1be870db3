import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { Driver } from 'unstorage';
import type { PutOptions, Range } from './storage.ts';

export interface S3Options {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Without the bucket, such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
}

/**
 * An unstorage driver over an S3-compatible bucket, by the client of AWS. Unlike unstorage's own (1.17) it lists more than a thousand objects, by which
 * an adapter in use could look unused, knows sizes, reads ranges, and can put an object only where there is none.
 */
export function s3Bucket(options: S3Options): Driver {
  for (const name of ['accessKeyId', 'secretAccessKey', 'endpoint', 'region', 'bucket'] as const)
    if (typeof options[name] !== 'string') throw new Error(`The s3 storage needs the option "${name}".`);
  const { bucket: Bucket, endpoint, region, accessKeyId, secretAccessKey } = options;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    // Buckets of other makers have no host name each, and not all of them know the newer checksums.
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const at = (key: string) => ({ Bucket, Key: key.replaceAll(':', '/') });

  const get = async (key: string, range?: Range): Promise<Uint8Array | null> => {
    const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const answer = await orNull(client.send(new GetObjectCommand({ ...at(key), ...(Range && { Range }) })));
    return answer && (await answer.Body!.transformToByteArray());
  };
  const put = async (key: string, value: string | Uint8Array, { ifAbsent }: PutOptions = {}) => {
    const condition = ifAbsent === true ? { IfNoneMatch: '*' } : {};
    await client.send(new PutObjectCommand({ ...at(key), Body: value, ...condition }));
  };

  return {
    name: 's3-bucket',
    hasItem: async (key) => (await orNull(client.send(new HeadObjectCommand(at(key))))) !== null,
    getItem: async (key) => {
      const bytes = await get(key);
      return bytes && new TextDecoder().decode(bytes);
    },
    getItemRaw: (key, { range }: { range?: Range } = {}) => get(key, range),
    setItem: (key, value, putOptions) => put(key, value, putOptions),
    setItemRaw: (key, value: Uint8Array, putOptions) => put(key, value, putOptions),
    removeItem: async (key) => {
      await client.send(new DeleteObjectCommand(at(key)));
    },
    getMeta: async (key) => {
      const found = await orNull(client.send(new HeadObjectCommand(at(key))));
      return found && { size: found.ContentLength ?? 0 };
    },
    getKeys: async (base) => {
      const keys: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket,
            Prefix: base.replaceAll(':', '/'),
            ...(ContinuationToken !== undefined && { ContinuationToken }),
          }),
        );
        for (const { Key } of page.Contents ?? []) if (Key) keys.push(Key.replaceAll('/', ':'));
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
      return keys;
    },
    dispose: () => client.destroy(),
  };
}

/** Null where there is no such object, or nothing of it in the range. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : null;
    if (status === 404 || status === 416) return null;
    throw error;
  }
}
