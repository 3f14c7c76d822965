import { now } from '../../system/clock.ts';

/** Times forward passes, so that a long one can be told from a hang. */
export interface Pace {
  /** A pass over so many tokens goes out; the one before it is over. */
  begin(tokens: number): void;
  /** Nothing computes until the next one. */
  end(): void;
}

// From here on the time of a pass grows with its tokens; one token alone costs four times as much (default model, one core: 25, 98, 344 and
// 1,513 ms for 1, 16, 64 and 256 tokens) and must not be what a long prompt is expected to take for each of its own.
const fewTokens = 16;
const passesKept = 15;

/** `onPass` is told, as a pass begins, how many milliseconds it should take by those before it: 0 while there were none. */
export function createPace(onPass: (passMs: number) => void, clock: () => number = now): Pace {
  const msPerToken: number[] = [];
  let pass: { readonly tokens: number; readonly at: number } | null = null;

  function end(): void {
    if (!pass) return;
    msPerToken.push((clock() - pass.at) / pass.tokens);
    if (msPerToken.length > passesKept) msPerToken.shift();
    pass = null;
  }

  return {
    begin(count) {
      end();
      const tokens = Math.max(count, fewTokens);
      pass = { tokens, at: clock() };
      // The middle one: a machine that slept, or was busy with something else, was no slow model.
      onPass(tokens * (msPerToken.toSorted((a, b) => a - b)[Math.floor(msPerToken.length / 2)] ?? 0));
    },
    end,
  };
}
