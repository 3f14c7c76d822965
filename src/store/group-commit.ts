/** Writes that share their commits. */
export interface GroupCommit<Entry> {
  /** Settles after the commit of the entry's group: fulfilled when it is durable, rejected with the disk's error when it is not. */
  add(entry: Entry): Promise<void>;
  /** Commits now what waits. */
  flush(): void;
}

interface Group<Entry> {
  readonly entries: Entry[];
  readonly committed: Promise<void>;
  fulfill(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: what is added in one turn of the event loop is committed in one transaction at the end of that turn, because a commit
 * costs several times what writing an entry does. Nothing waits for entries that might still come.
 */
export function groupCommit<Entry>(commit: (entries: readonly Entry[]) => void): GroupCommit<Entry> {
  let open: Group<Entry> | undefined;
  const flush = () => {
    const group = open;
    open = undefined;
    if (!group) return;
    try {
      commit(group.entries);
      group.fulfill();
    } catch (error) {
      group.reject(error);
    }
  };
  return {
    add(entry) {
      if (!open) {
        open = newGroup();
        setImmediate(flush);
      }
      open.entries.push(entry);
      return open.committed;
    },
    flush,
  };
}

function newGroup<Entry>(): Group<Entry> {
  let [fulfill, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
  const committed = new Promise<void>((...settlers) => {
    [fulfill, reject] = settlers;
  });
  return { entries: [], committed, fulfill, reject };
}
