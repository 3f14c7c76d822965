export interface EventStream<T> {
  push(event: T): void;
  end(): void;
  /** Every iterator sees all events from the first one on. */
  iterate(): AsyncIterator<T>;
}

/** Events that are kept as they come, for iterators that start late or read slowly. */
export function eventStream<T>(): EventStream<T> {
  const events: T[] = [];
  let ended = false;
  let wake = deferred();
  const stir = () => {
    const woken = wake;
    wake = deferred();
    woken.resolve();
  };
  return {
    push(event) {
      events.push(event);
      stir();
    },
    end() {
      ended = true;
      stir();
    },
    async *iterate() {
      for (let index = 0; ; index++) {
        while (index >= events.length) {
          if (ended) return;
          await wake.promise;
        }
        yield events[index]!;
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
