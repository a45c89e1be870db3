import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { Driver } from 'unstorage';
import { objectName, orNull, s3Client, type S3Options } from './s3-client.ts';
import type { PutOptions, ReadOptions, RemoveOptions, Versioned } from './storage.ts';

/**
 * An unstorage driver over an S3-compatible bucket, by the client of AWS. Unlike unstorage's own (1.17) it lists more than a thousand objects, by which
 * an adapter in use could look unused, knows sizes, reads ranges, and
 * can put an object only where there is none, or in the place of a version that was read.
 */
export function s3Bucket(options: S3Options): Driver {
  const { bucket: Bucket } = options;
  const client = s3Client(options);
  const at = (key: string) => ({ Bucket, Key: objectName(key) });

  const get = async (key: string, { range }: ReadOptions = {}): Promise<Versioned | null> => {
    const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const answer = await orNull(client.send(new GetObjectCommand({ ...at(key), ...(Range && { Range }) })));
    if (answer === null) return null;
    const bytes = (await answer.Body!.transformToByteArray()) as Uint8Array<ArrayBuffer>;
    return { bytes, version: answer.ETag ?? '' };
  };
  const put = async (key: string, value: string | Uint8Array, { ifAbsent, ifVersion }: PutOptions = {}) => {
    const condition = ifAbsent === true ? { IfNoneMatch: '*' } : ifVersion ? { IfMatch: ifVersion } : {};
    await client.send(new PutObjectCommand({ ...at(key), Body: value, ...condition }));
  };

  return {
    name: 's3-bucket',
    hasItem: async (key) => (await orNull(client.send(new HeadObjectCommand(at(key))))) !== null,
    getItem: async (key) => {
      const found = await get(key);
      return found && new TextDecoder().decode(found.bytes);
    },
    getItemRaw: async (key, readOptions: ReadOptions = {}) => {
      const found = await get(key, readOptions);
      return readOptions.versioned === true ? found : found && found.bytes;
    },
    setItem: (key, value, putOptions) => put(key, value, putOptions),
    setItemRaw: (key, value: Uint8Array, putOptions) => put(key, value, putOptions),
    removeItem: async (key, { ifVersion }: RemoveOptions = {}) => {
      const condition = ifVersion === undefined ? {} : { IfMatch: ifVersion };
      await orNull(client.send(new DeleteObjectCommand({ ...at(key), ...condition })));
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
            Prefix: objectName(base),
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
