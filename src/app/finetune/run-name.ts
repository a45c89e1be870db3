/**
 * A name for a run that no stored run has: the demonstrations and the time, to the second, as another tab may be opened on the same ones.
 * The browser's form of the time, without what no folder's name may hold.
 */
export function newRunName(
  demonstrations: string,
  now: Date,
  runs: readonly { readonly run: string }[],
): string {
  const time = now.toLocaleString().replaceAll(/[/\\:]/g, '.');
  const base = `${demonstrations} ${time}`;
  const taken = new Set(runs.map(({ run }) => run));
  let name = base;
  for (let copy = 2; taken.has(name); copy++) name = `${base} (${copy})`;
  return name;
}
