/** Milliseconds since 1970. Nothing else reads the time: it may be shown and stored beside a row, but never decides a result. */
export const now = (): number => Date.now();

/** The same instant as people and JSON write it, in UTC. */
export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();
