export interface EventStream<T> {
  push(event: T): void;
  end(): void;
  /** Every iterator sees all lasting events from the first one on, and of the passing ones the newest. */
  iterate(): AsyncIterator<T>;
}

/**
 * Events that are kept as they come, for iterators that start late or read slowly. Passing events are told and forgotten: a run of
 * 100,000 calls has as many.
 */
export function eventStream<T>(isPassing: (event: T) => boolean): EventStream<T> {
  const lasting: T[] = [];
  let passing: { readonly event: T } | null = null;
  let ended = false;
  let wake = deferred();
  const stir = () => {
    const woken = wake;
    wake = deferred();
    woken.resolve();
  };
  return {
    push(event) {
      if (isPassing(event)) passing = { event };
      else lasting.push(event);
      stir();
    },
    end() {
      ended = true;
      stir();
    },
    async *iterate() {
      let index = 0;
      let seen = passing;
      for (;;) {
        if (index < lasting.length) yield lasting[index++]!;
        else if (ended) return;
        else if (passing && passing !== seen) {
          seen = passing;
          yield passing.event;
        } else await wake.promise;
      }
    },
  };
}

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
