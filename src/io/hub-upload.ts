/** A new dataset repository on the Hugging Face Hub, filled from files as they are made. */
import type { CommitOperation } from '@huggingface/hub';
import { ModelError } from '../base/errors.ts';

const HUB = 'https://huggingface.co';
/** What is collected before it is committed: the Hub wants whole files, and commits in moderation. */
const COMMIT_BYTES = 256 * 2 ** 20;
const COMMIT_FILES = 200;
/** Owner and name as the Hub allows them. */
const REPO = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;

export interface HubUpload {
  /** `owner/name` of a repository that does not exist yet. */
  readonly repo: string;
  readonly visibility: 'public' | 'private';
  /** Access token that may write; kept in memory only, and sent to the Hub alone. */
  readonly token: string;
  /** Tag of the last commit: lerobot asks for the version of its format. */
  readonly tag: string;
  readonly hubUrl?: string;
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
  readonly onUploaded?: (files: number, bytes: number) => void;
}

/**
 * @returns the repository's page
 * @throws ModelError `bad-input` for a name that cannot be one or is taken, `upload-failed`, `cancelled`, and what making a file throws. What was
 * uploaded before stays in the repository.
 */
export async function uploadToHub(
  files: AsyncIterable<{
    readonly path: string;
    readonly chunks: () => AsyncIterable<Uint8Array<ArrayBuffer>>;
  }>,
  upload: HubUpload,
): Promise<string> {
  checkName(upload.repo);
  const hub = await import('@huggingface/hub');
  const common = {
    repo: { type: 'dataset' as const, name: upload.repo },
    accessToken: upload.token,
    hubUrl: upload.hubUrl ?? HUB,
    ...(upload.fetch ? { fetch: upload.fetch } : {}),
  };
  await asking(upload, 'cannot be created', () =>
    hub.createRepo({ ...common, visibility: upload.visibility }),
  );
  let [waiting, bytes, done, sent] = [[] as CommitOperation[], 0, 0, 0];
  const commit = async () => {
    if (waiting.length === 0) return;
    await asking(upload, 'takes no files', () =>
      hub.commit({
        ...common,
        title: done === 0 ? 'Add the dataset' : 'Add more of the dataset',
        operations: waiting,
        ...(upload.signal ? { abortSignal: upload.signal } : {}),
      }),
    );
    done += waiting.length;
    sent += bytes;
    [waiting, bytes] = [[], 0];
    upload.onUploaded?.(done, sent);
  };
  for await (const { path, chunks } of files) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of chunks()) parts.push(chunk);
    const content = new Blob(parts);
    waiting.push({ operation: 'addOrUpdate', path, content });
    bytes += content.size;
    if (bytes >= COMMIT_BYTES || waiting.length >= COMMIT_FILES) await commit();
  }
  await commit();
  await asking(upload, `cannot be tagged "${upload.tag}"`, () => tag(upload));
  return `${common.hubUrl}/datasets/${upload.repo}`;
}

function checkName(repo: string): void {
  if (REPO.test(repo)) return;
  throw new ModelError(
    'bad-input',
    `"${repo.slice(0, 100)}" cannot be a repository's name.`,
    'Give owner/name, such as your-name/table-demonstrations, of letters, digits, dots, dashes and underscores.',
  );
}

/** `@huggingface/hub` makes branches, but no tags. */
async function tag(upload: HubUpload): Promise<void> {
  const { repo, token } = upload;
  const url = `${upload.hubUrl ?? HUB}/api/datasets/${repo}/tag/main`;
  const answer = await (upload.fetch ?? fetch)(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ tag: upload.tag }),
    ...(upload.signal ? { signal: upload.signal } : {}),
  });
  if (!answer.ok) throw Object.assign(new Error(answer.statusText), { statusCode: answer.status });
}

async function asking<T>(upload: HubUpload, what: string, task: () => Promise<T>): Promise<T> {
  if (upload.signal?.aborted) throw cancelled(upload);
  try {
    return await task();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    if (upload.signal?.aborted) throw cancelled(upload);
    const status = (error as { statusCode?: number }).statusCode;
    if (status === 409) {
      throw new ModelError(
        'bad-input',
        `The dataset ${upload.repo} is on the Hub already.`,
        'Choose another name: nothing that is there is overwritten.',
        { cause: error },
      );
    }
    const refused = status === 401 || status === 403;
    throw new ModelError(
      'upload-failed',
      `The dataset ${upload.repo} ${what}: ${status === undefined ? 'the Hub could not be reached' : `the Hub answered with status ${status}`}.`,
      refused
        ? 'Give an access token that may write to this owner’s repositories (huggingface.co/settings/tokens).'
        : 'Check your connection, delete what was uploaded, and try again.',
      { cause: error },
    );
  }
}

const cancelled = ({ repo }: HubUpload) =>
  new ModelError(
    'cancelled',
    `The upload to ${repo} was cancelled.`,
    'What was uploaded before is still there.',
  );
