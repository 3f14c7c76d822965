import type { TokenUsage } from '../core/lm.ts';

/** A request that was let through: at most so many tokens, until it is known how many. */
export interface AdmittedRequest {
  /** Says how many tokens it took; a host that does not tell is charged the bound. Returns what is charged. */
  settle(usage: TokenUsage): number;
}

/**
 * Lets requests through as long as they fit whatever they will take. Rows are asked in groups, one group after the other. Within a group
 * each request holds its whole bound, and what it leaves of that is given back when the group ends: so whether a group fits depends on its
 * requests alone, never on the order in which answers arrive.
 */
export interface TokenMeter {
  /** Null when it might be a token too many. `of`: whose bounds are corrected together. */
  admit(bound: number, of: string): AdmittedRequest | null;
  /** Takes note of a request that is not counted: what the next ones may need. */
  see(bound: number, of: string): AdmittedRequest;
  /** Work that has the meter for itself: rows of an evaluation, or a question to the prompt model. */
  group<T>(kind: GroupKind, work: () => Promise<T>): Promise<T>;
  /** Tokens that the requests of the last group were taken to need at most, all together. */
  lastGroup(): number;
  left(): number;
  /** Tokens that a row may take that makes so many requests, none larger than what was seen. */
  mostOfRow(requests: number): number;
  /** Requests that the rest pays for, as long as none is larger than what was seen so far. */
  requestsLeft(requestsOfRow: number): number;
  /** By how many tokens a request took more than its bound, at most; later bounds are that much higher. */
  excess(): number;
}

export type GroupKind = 'rows' | 'question';

// Until a request was seen, each is taken to need the usual context of a local host.
const unseen = 2048;

export function createTokenMeter(limit: number): TokenMeter {
  let spent = 0;
  /** Bounds of requests that are not given back yet. */
  let held = 0;
  /** Of those among them that are settled: their bounds, and what they took. */
  let settled = { bounds: 0, tokens: 0 };
  let kind: GroupKind = 'rows';
  let admitted = 0;
  let lastGroup = 0;
  let seen = { rowBound: 0, questionBound: 0, rowTokens: 0 };
  let turn: Promise<unknown> = Promise.resolve();
  const excess = new Map<string, number>();
  /** What the current group teaches: it counts from the next one on. */
  let lessons: (() => void)[] = [];

  const learn = (kind: GroupKind, bound: number, tokens: number, of: string) => {
    const { rowBound, questionBound, rowTokens } = seen;
    seen =
      kind === 'question'
        ? { ...seen, questionBound: Math.max(questionBound, bound) }
        : { ...seen, rowBound: Math.max(rowBound, bound), rowTokens: Math.max(rowTokens, tokens) };
    excess.set(of, Math.max(excess.get(of) ?? 0, tokens - bound));
  };
  const closeGroup = () => {
    spent += settled.tokens;
    held -= settled.bounds;
    settled = { bounds: 0, tokens: 0 };
    lastGroup = admitted;
    admitted = 0;
    for (const lesson of lessons) lesson();
    lessons = [];
  };
  const left = () => Math.max(0, limit - spent - held);
  const mostExcess = () => Math.max(0, ...excess.values());
  const mostOfRow = (requests: number) => requests * ((seen.rowBound || unseen) + mostExcess());

  return {
    admit(given, of) {
      const bound = given + (excess.get(of) ?? 0);
      if (held + bound > limit - spent) return null;
      held += bound;
      admitted += bound;
      return {
        settle(usage) {
          const tokens = tokensOf(usage, bound);
          settled = { bounds: settled.bounds + bound, tokens: settled.tokens + tokens };
          lessons.push(() => learn(kind, given, tokens, of));
          return tokens;
        },
      };
    },
    see: (bound, of) => ({
      settle(usage) {
        const tokens = tokensOf(usage, bound);
        learn('rows', bound, tokens, of);
        return tokens;
      },
    }),
    group(own, work) {
      const begin = () => {
        kind = own;
        return work();
      };
      const done = turn.then(begin).finally(closeGroup);
      turn = done.catch(() => {});
      return done;
    },
    lastGroup: () => lastGroup,
    left,
    mostOfRow,
    requestsLeft(requestsOfRow) {
      // The last row, or a question, has to fit with all that it may take.
      const spare = left() - Math.max(mostOfRow(requestsOfRow), seen.questionBound + mostExcess());
      return spare < 0 ? 0 : requestsOfRow + Math.floor(spare / (seen.rowTokens || unseen));
    },
    excess: mostExcess,
  };
}

const tokensOf = ({ prompt, completion }: TokenUsage, bound: number): number => prompt + completion || bound;
