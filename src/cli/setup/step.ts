/** One thing that set-up makes. */
export interface Step {
  readonly title: string;
  /** What is about to happen, for the person who waits. */
  readonly before: string;
  /** Looks at the stamp and whether the thing is still there; quick, because every start of `npm run demo` asks. */
  isReady(): boolean;
  /** Ends with the whole thing and its stamp, or with neither. Returns what it was made with, in a few words. */
  make(work: Work): Promise<string>;
}

/** What every step gets. */
export interface Work {
  /** Gets what is going on right now, to be shown and forgotten. */
  readonly onProgress: (status: string) => void;
  readonly signal: AbortSignal;
  /** For the programs that are started, on top of this process's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where unfinished things and set-up's own tools lie. */
  readonly scratch: string;
}
