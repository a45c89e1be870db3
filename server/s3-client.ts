import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';

export interface S3Options {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Without the bucket, such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** How browsers reach the endpoint, where that is another way than the server's. */
  readonly publicEndpoint?: string;
}

const NEEDED = ['accessKeyId', 'secretAccessKey', 'endpoint', 'region', 'bucket'] as const;

/** @throws Error naming an option that is missing */
export function s3Client(options: S3Options, endpoint = options.endpoint): S3Client {
  for (const name of NEEDED)
    if (typeof options[name] !== 'string') throw new Error(`The s3 storage needs the option "${name}".`);
  const { region, accessKeyId, secretAccessKey } = options;
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    // Buckets of other makers have no host name each, and not all of them know the newer checksums.
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // A line that drops packets is met by trying again; an answer that never comes by a limit.
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
  });
}

/** The name of an object. */
export function objectName(key: string): string {
  return key.replaceAll(':', '/');
}

/** Null if the object does not exist, or holds nothing in the range. */
export async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if ([404, 416].includes(statusOf(error))) return null;
    throw error;
  }
}

/** The status that a bucket answered; 0 for other failures. */
export function statusOf(error: unknown): number {
  return error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
}
