import { AwsClient } from 'aws4fetch';
import type { Driver } from 'unstorage';
import s3Driver from 'unstorage/drivers/s3';

export interface S3Options {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Without the bucket, such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
}

/**
 * unstorage's S3 driver with its two gaps filled (1.17): its `getKeys` gives the first thousand objects of the bucket at most, by
 * which an adapter in use could look unused, and its `getMeta` knows no size.
 */
export function s3Bucket(options: S3Options): Driver {
  for (const name of ['accessKeyId', 'secretAccessKey', 'endpoint', 'region', 'bucket'] as const)
    if (typeof options[name] !== 'string') throw new Error(`The s3 storage needs the option "${name}".`);
  const client = new AwsClient({ service: 's3', ...options });
  const address = `${options.endpoint.replace(/\/$/, '')}/${options.bucket}`;

  const listPage = async (prefix: string, continuation: string | null): Promise<string> => {
    const query = new URLSearchParams({ 'list-type': '2', prefix });
    if (continuation !== null) query.set('continuation-token', continuation);
    const answer = await client.fetch(`${address}?${query}`);
    if (!answer.ok) throw new Error(`Listing the bucket failed: ${answer.status} ${await answer.text()}`);
    return answer.text();
  };

  return {
    ...s3Driver({ ...options }),
    getKeys: async (base) => {
      const keys: string[] = [];
      let continuation: string | null = null;
      do {
        const page: string = await listPage(base.replaceAll(':', '/'), continuation);
        keys.push(...elements(page, 'Key').map((key) => key.replaceAll('/', ':')));
        continuation = elements(page, 'NextContinuationToken')[0] ?? null;
      } while (continuation !== null);
      return keys;
    },
    getMeta: async (key) => {
      const answer = await client.fetch(`${address}/${key.replaceAll(':', '/')}`, { method: 'HEAD' });
      if (answer.status === 404) return null;
      if (!answer.ok) throw new Error(`Looking up an object in the bucket failed: ${answer.status}`);
      return { size: Number(answer.headers.get('content-length')) };
    },
  };
}

/** Texts of the XML elements of that name. Our keys are plain letters; tokens may have escaped characters. */
function elements(xml: string, name: string): string[] {
  const found = xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'));
  return [...found].map((match) =>
    match[1]!
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&'),
  );
}
