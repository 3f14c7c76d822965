/** A promise and its handles (Promise.withResolvers, which Node 20 lacks). */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

export function deferred<Value>(): Deferred<Value> {
  let resolve: Deferred<Value>['resolve'];
  let reject: Deferred<Value>['reject'];
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // `!`: the executor runs before the constructor returns.
  return { promise, resolve: resolve!, reject: reject! };
}
