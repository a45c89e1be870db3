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

/** Versions of lerobot that read a version of the format, and the variable that names a Python with one. */
const LEROBOT = {
  'v2.1': { variable: 'INTEROP_LEROBOT_V21', fits: /^0\.(2|3)\./, wanted: '0.3.3' },
  'v3.0': { variable: 'INTEROP_LEROBOT_V30', fits: /^0\.([4-9]|\d\d)\./, wanted: '0.4.4 or later' },
} as const;

/** A Python with the lerobot that reads this version of its format. */
export function findLeRobot(
  version: keyof typeof LEROBOT,
): { readonly path: string; readonly lerobot: string } | { readonly missing: string } {
  const { variable, fits, wanted } = LEROBOT[version];
  const path = process.env[variable];
  if (!path) return { missing: `${variable} names no Python with lerobot ${wanted}` };
  const code =
    'import torch, lerobot.datasets; from importlib.metadata import version; print(version("lerobot"))';
  const { error, status, stdout, stderr } = spawnSync(path, ['-c', code], { encoding: 'utf8' });
  if (error) return { missing: `${path} cannot be started (${error.message})` };
  if (status !== 0) return { missing: stderr.trim().split('\n').at(-1) ?? `${path} ended with ${status}` };
  const lerobot = stdout.trim();
  return fits.test(lerobot) ? { path, lerobot } : { missing: `lerobot is ${lerobot}; ${wanted} is needed` };
}

/** @throws Error with what Python wrote, when it fails */
export function runPython(python: { readonly path: string }, script: string, ...args: string[]): string {
  const { output, failed } = tryPython(python, script, ...args);
  if (failed) throw new Error(output);
  return output;
}

/** What a script printed, and what it wrote to the error stream where it failed. */
export function tryPython(
  { path }: { readonly path: string },
  script: string,
  ...args: string[]
): { readonly output: string; readonly failed: boolean } {
  const result = spawnSync(path, [script, ...args], {
    encoding: 'utf8',
    // Nothing is looked for on the network: everything is in the folder.
    env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1' },
    maxBuffer: 2 ** 26,
  });
  if (result.error) throw result.error;
  const failed = result.status !== 0;
  const output = failed
    ? `${result.stdout}\n${script} ended with ${result.status}:\n${result.stderr}`
    : result.stdout;
  return { output: output.trimEnd(), failed };
}
