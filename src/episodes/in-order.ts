/**
 * Does a task for each item, several at a time, and gives the results in the order of the items. After a failure no further task is begun.
 * @param most tasks at a time
 * @param task is told whether another has failed, so that a long one can stop
 */
export async function inOrder<T, R>(
  items: readonly T[],
  most: number,
  task: (item: T, index: number, failed: () => boolean) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await task(items[index]!, index, () => failed);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, work));
  return results;
}
