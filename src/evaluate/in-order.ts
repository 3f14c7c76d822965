import { InputError } from '../core/errors.ts';

/**
 * A bounded parallel map. Results keep the order of the items, so that concurrency never changes an outcome.
 * After the first error nothing new is begun, and what is under way comes to its end before the error is thrown.
 */
export async function mapInOrder<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  if (!(limit >= 1)) {
    throw new InputError(
      'threads-invalid',
      [`${limit} examples under way at once is not possible.`],
      'Give numThreads of at least 1.',
    );
  }
  const results = new Array<R>(items.length);
  const errors: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length && errors.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
  return results;
}
