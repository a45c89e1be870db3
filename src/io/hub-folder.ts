import { ModelError } from '../base/errors.ts';
import type { ByteReader } from './byte-reader.ts';
import { missingFile, type Folder } from './folder.ts';
import { withoutLfsPointers } from './git-lfs.ts';
import type { HttpOptions } from './http.ts';
import { httpReader } from './http-reader.ts';

/** A Hugging Face Hub repository at a revision, or a folder inside it. */
export interface HubAddress {
  readonly type: 'dataset' | 'model';
  /** `owner/name` */
  readonly repo: string;
  /** Branch, tag or commit; default `main`. */
  readonly revision: string;
  /** The folder inside the repository; empty, or with a slash at its end. */
  readonly path: string;
}

export interface HubOptions extends HttpOptions {
  /** Access token; kept in memory only, and sent to the Hub alone. */
  readonly hubToken?: string;
  /** Where the Hub is; default https://huggingface.co. */
  readonly hubUrl?: string;
}

const HUB = 'https://huggingface.co';
/** A repository with more files than this is not a dataset or a checkpoint of ours. */
const MOST_FILES = 200_000;
/** Owner and name as the Hub allows them. */
const REPO = /^[\w.-]{1,96}\/[\w.-]{1,96}$/;

/**
 * What a person types, as a Hub address: `owner/name`, `owner/name@revision`, `hf://datasets/owner/name`, or the address of a page or
 * file of the repository.
 * @param type of a bare `owner/name`
 * @returns null for anything else
 */
export function hubAddress(text: string, type: HubAddress['type'], hubUrl: string = HUB): HubAddress | null {
  const trimmed = text.trim();
  const [bare = '', bareRevision = 'main', ...more] = trimmed.split('@');
  if (REPO.test(bare) && more.length === 0 && !bare.startsWith('.')) {
    return { type, repo: bare, revision: bareRevision, path: '' };
  }
  const inside = insideHub(trimmed, hubUrl);
  if (!inside) return null;
  const parts = inside.split('/').filter(Boolean).map(decode);
  const named = parts[0] === 'datasets' ? 'dataset' : parts[0] === 'spaces' ? null : 'model';
  if (named === null) return null;
  if (named === 'dataset') parts.shift();
  const [owner, nameAndRevision, view, revision, ...path] = parts;
  if (!owner || !nameAndRevision) return null;
  const [name = '', atRevision = 'main'] = nameAndRevision.split('@');
  const repo = `${owner}/${name}`;
  if (!REPO.test(repo)) return null;
  // A file's address means the folder that it lies in.
  const folder = view === 'blob' || view === 'resolve' || view === 'raw' ? path.slice(0, -1) : path;
  return {
    type: named,
    repo,
    revision: view && ['tree', 'blob', 'resolve', 'raw'].includes(view) ? (revision ?? 'main') : atRevision,
    path: folder.length > 0 ? `${folder.join('/')}/` : '',
  };
}

/** The path on the Hub, for its addresses and for `hf://`. */
function insideHub(text: string, hubUrl: string): string | null {
  if (text.startsWith('hf://')) return text.slice('hf://'.length);
  const withScheme = /^(www\.)?(huggingface\.co|hf\.co)\//.test(text) ? `https://${text}` : text;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    return null;
  }
  const hosts = ['huggingface.co', 'www.huggingface.co', 'hf.co', new URL(hubUrl).host];
  return hosts.includes(url.host) ? url.pathname : null;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What a page or a file of it is at. */
export function hubFileUrl(address: HubAddress, path: string, hubUrl: string = HUB): string {
  const kind = address.type === 'dataset' ? 'datasets/' : '';
  const inner = (address.path + path).split('/').map(encodeURIComponent).join('/');
  return `${hubUrl}/${kind}${address.repo}/resolve/${encodeURIComponent(address.revision)}/${inner}`;
}

interface HubFile {
  /** Below the address's own path. */
  readonly path: string;
  readonly byteLength: number;
  /** What the Hub says the content's SHA-256 is; null for files that git keeps itself. */
  readonly sha256: string | null;
}

/**
 * The commit that a branch or tag names now. All files are read of this one, so that a push in the meantime mixes nothing.
 * @throws ModelError `download-failed`: what the Hub answered, and what a gated or private repository needs
 */
async function commitOf(address: HubAddress, options: HubOptions): Promise<string> {
  const { type, repo, revision } = address;
  if (/^[0-9a-f]{40}$/.test(revision)) return revision;
  const { datasetInfo, modelInfo } = await import('@huggingface/hub');
  const about = { name: repo, revision, additionalFields: ['sha' as const], ...credentials(options) };
  const info = await asked(address, options, () =>
    type === 'dataset' ? datasetInfo(about) : modelInfo(about),
  );
  // A Hub of another make may not tell.
  return info.sha ?? revision;
}

function credentials({ hubUrl, hubToken, fetch }: HubOptions) {
  return {
    ...(hubUrl ? { hubUrl } : {}),
    ...(hubToken ? { accessToken: hubToken } : {}),
    ...(fetch ? { fetch } : {}),
  };
}

/** Runs requests of the Hub's library; their failures become ours. */
async function asked<T>(address: HubAddress, options: HubOptions, ask: () => Promise<T>): Promise<T> {
  const { HubApiError } = await import('@huggingface/hub');
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    if (options.signal?.aborted) throw new ModelError('cancelled', 'The download was cancelled.');
    throw hubError(address, error instanceof HubApiError ? error.statusCode : null, options, error);
  }
}

/**
 * Every file of the repository at that revision.
 * @throws ModelError `download-failed`: what the Hub answered, and what a gated or private repository needs
 */
async function listHubFiles(address: HubAddress, options: HubOptions = {}): Promise<HubFile[]> {
  const { listFiles } = await import('@huggingface/hub');
  return asked(address, options, async () => {
    const files: HubFile[] = [];
    const listing = listFiles({
      repo: { type: address.type, name: address.repo },
      revision: address.revision,
      recursive: true,
      ...(address.path ? { path: address.path.replace(/\/$/, '') } : {}),
      ...credentials(options),
    });
    for await (const entry of listing) {
      options.signal?.throwIfAborted();
      if (entry.type !== 'file' || !entry.path.startsWith(address.path)) continue;
      if (files.length === MOST_FILES) throw tooMany(address);
      const path = entry.path.slice(address.path.length);
      files.push({ path, byteLength: entry.lfs?.size ?? entry.size, sha256: entry.lfs?.oid ?? null });
    }
    return files;
  });
}

/**
 * The repository's files, read by ranges.
 * @throws ModelError `download-failed`
 */
export async function hubFolder(named: HubAddress, options: HubOptions = {}): Promise<Folder> {
  const address = { ...named, revision: await commitOf(named, options) };
  const files = new Map((await listHubFiles(address, options)).map((file) => [file.path, file]));
  const headers = {
    ...options.headers,
    ...(options.hubToken ? { authorization: `Bearer ${options.hubToken}` } : {}),
  };
  const readers = new Map<string, Promise<ByteReader | null>>();
  return withoutLfsPointers({
    name: address.path.split('/').at(-2) ?? address.repo.split('/')[1]!,
    hashes: new Map([...files].flatMap(([path, { sha256 }]) => (sha256 ? [[path, sha256]] : []))),
    has: async (path) => files.has(path),
    open: async (path) => {
      const file = files.get(path);
      if (!file) throw missingFile(address.repo, path);
      let reader = readers.get(path);
      if (!reader) {
        const url = hubFileUrl(address, path, options.hubUrl);
        reader = httpReader(url, path, { ...options, headers }, file.byteLength);
        readers.set(path, reader);
      }
      return (await reader)!;
    },
    list: async () => [...files.keys()].toSorted(),
  });
}

function hubError(
  address: HubAddress,
  status: number | null,
  options: HubOptions,
  cause: unknown,
): ModelError {
  const kind = address.type === 'dataset' ? 'dataset' : 'model';
  const what = `The Hub's ${kind} ${address.repo}${address.revision === 'main' ? '' : ` at "${address.revision}"`}`;
  if (status === 401 || status === 403 || (status === 404 && !options.hubToken)) {
    // The Hub says 401 also for repositories that do not exist, so that nobody learns which private ones do.
    return new ModelError(
      'download-failed',
      `${what} cannot be read: the Hub answered with status ${status}. It does not exist, or it is private or gated.`,
      'Check its name. For a private or gated one, accept its terms on the Hub and give an access token that may read it.',
      { cause },
    );
  }
  const said =
    status === null ? 'could not be reached' : `cannot be listed: the Hub answered with status ${status}`;
  return new ModelError(
    'download-failed',
    `${what} ${said}.`,
    'Check the name and your connection, and try again.',
    {
      cause,
    },
  );
}

function tooMany(address: HubAddress): ModelError {
  return new ModelError(
    'unsupported',
    `${address.repo} has over ${MOST_FILES} files.`,
    'Name a folder inside it.',
  );
}
