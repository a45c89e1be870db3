/** Finds a Python with torch and PEFT; nothing is installed here. */
import { spawnSync } from 'node:child_process';

const NEEDED = ['torch', 'peft', 'transformers', 'timm', 'safetensors', 'accelerate'];

export type Python = { readonly path: string } | { readonly missing: string };

/** INTEROP_PYTHON, else `python3`; `missing` says in one line what is not there. */
export function findPython(): Python {
  const path = process.env['INTEROP_PYTHON'] ?? 'python3';
  const code = `import ${NEEDED.join(', ')}; print(peft.__version__)`;
  const { error, status, stdout, stderr } = spawnSync(path, ['-c', code], { encoding: 'utf8' });
  if (error) return { missing: `${path} cannot be started (${error.message})` };
  if (status !== 0) return { missing: stderr.trim().split('\n').at(-1) ?? `${path} ended with ${status}` };
  const version = stdout.trim();
  return version === '0.11.1' ? { path } : { missing: `peft is ${version}; upstream uses 0.11.1` };
}

/** @throws Error with what Python wrote, when it fails */
export function runPython({ path }: { readonly path: string }, script: string, ...args: string[]): string {
  const result = spawnSync(path, [script, ...args], {
    encoding: 'utf8',
    // Nothing is looked for on the network: everything is in the folder.
    env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1' },
    maxBuffer: 2 ** 26,
  });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${script} ended with ${result.status}:\n${result.stderr}`);
  return result.stdout.trim();
}
