import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { SIGNED_SECONDS } from './signed-seconds.ts';
import { objectName, orNull, s3Client, statusOf, type S3Options } from './s3-client.ts';

export interface StoredPart {
  /** From 1. */
  readonly number: number;
  readonly bytes: number;
  readonly etag: string;
}

/** Uploads of objects in parts that others send, by addresses that we sign, and addresses to read by. */
export class S3Multipart {
  readonly #client: S3Client;
  /** Signs for the address by which browsers reach the bucket. */
  readonly #signing: S3Client;
  readonly #bucket: string;

  constructor(options: S3Options) {
    this.#client = s3Client(options);
    this.#signing = s3Client(options, options.publicEndpoint ?? options.endpoint);
    this.#bucket = options.bucket;
  }

  /** Gives the bucket's name of the upload. */
  async begin(key: string): Promise<string> {
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({
        ...this.#at(key),
        // For caches that read the bucket by themselves.
        ContentType: 'application/octet-stream',
        ContentDisposition: 'attachment',
        CacheControl: 'public, max-age=31536000, immutable',
      }),
    );
    return UploadId!;
  }

  /** Where a part of exactly so many bytes can be put. */
  signedPart(key: string, upload: string, number: number, bytes: number): Promise<string> {
    const part = { ...this.#at(key), UploadId: upload, PartNumber: number, ContentLength: bytes };
    return getSignedUrl(this.#signing, new UploadPartCommand(part), { expiresIn: SIGNED_SECONDS });
  }

  /** Where an object can be read. */
  signedRead(key: string, fileName: string): Promise<string> {
    const command = new GetObjectCommand({
      ...this.#at(key),
      ResponseContentType: 'application/octet-stream',
      ResponseContentDisposition: `attachment; filename="${fileName}"`,
    });
    return getSignedUrl(this.#signing, command, { expiresIn: SIGNED_SECONDS });
  }

  /** The parts received so far; null once the upload has ended. */
  async parts(key: string, upload: string): Promise<readonly StoredPart[] | null> {
    const parts: StoredPart[] = [];
    let PartNumberMarker: string | undefined;
    do {
      const from = PartNumberMarker === undefined ? {} : { PartNumberMarker };
      const page = await orNull(
        this.#client.send(new ListPartsCommand({ ...this.#at(key), UploadId: upload, ...from })),
      );
      if (page === null) return null;
      for (const { PartNumber, Size, ETag } of page.Parts ?? [])
        parts.push({ number: PartNumber!, bytes: Size ?? 0, etag: ETag ?? '' });
      PartNumberMarker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (PartNumberMarker !== undefined);
    return parts;
  }

  /** Makes an object of the parts. Nobody can send parts after that. */
  async complete(key: string, upload: string, parts: readonly StoredPart[]): Promise<void> {
    const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }));
    const command = { ...this.#at(key), UploadId: upload, MultipartUpload: { Parts } };
    // Another process, or an earlier try whose answer was lost, has done it; the object is looked at all the same.
    await orNull(this.#client.send(new CompleteMultipartUploadCommand(command)));
  }

  async abort(key: string, upload: string): Promise<void> {
    await orNull(this.#client.send(new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload })));
  }

  /** Ends uploads that were begun longer ago than `ms`, of whomever. */
  async abortOlderThan(ms: number): Promise<void> {
    const old = new Date(Date.now() - ms);
    let more = true;
    while (more) {
      const page = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: 'adapters/' }),
      );
      const expired = (page.Uploads ?? []).filter(({ Initiated }) => Initiated && Initiated < old);
      for (const { Key, UploadId } of expired) await this.#abortObject(Key!, UploadId!);
      more = page.IsTruncated === true && expired.length > 0;
    }
  }

  dispose(): void {
    this.#client.destroy();
    this.#signing.destroy();
  }

  async #abortObject(Key: string, UploadId: string): Promise<void> {
    try {
      await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId }));
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: objectName(key) };
  }
}
