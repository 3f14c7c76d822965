/** A pure function of a JSON value that keeps its last `limit` results, least recently used first out. */
export function rememberLast<Argument, Result>(limit: number, compute: (argument: Argument) => Result) {
  const results = new Map<string, Result>();
  return (argument: Argument): Result => {
    const key = JSON.stringify(argument);
    // `!`: the key is there; a stored `undefined` is a Result too.
    const result = results.has(key) ? results.get(key)! : compute(argument);
    results.delete(key);
    results.set(key, result);
    const [oldest] = results.keys();
    if (results.size > limit && oldest !== undefined) results.delete(oldest);
    return result;
  };
}
