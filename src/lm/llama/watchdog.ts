/** Calls back when it was not fed for a while; goes on watching until it is stopped. */
export interface Watchdog {
  feed(): void;
  /** It may take so long until it is fed again: nothing shorter than its patience, and several times what is announced. */
  announce(passMs: number): void;
  /** How long it waits now. */
  limitMs(): number;
  stop(): void;
}

// Several short waits instead of a long one: when our own process was stopped or busy, one of them is late, and the host is not to blame.
const looksPerPatience = 4;

// What is announced goes by the passes before: a prompt far into its context, a processor that throttles, and a machine that got busy take
// longer than that, but hardly ten times.
const slack = 10;

export function startWatchdog(patienceMs: number, onHungry: () => void): Watchdog {
  let limitMs = patienceMs;
  let looks = 0;
  const lookMs = patienceMs / looksPerPatience;
  const timer = setInterval(() => {
    if (++looks * lookMs < limitMs) return;
    looks = 0;
    onHungry();
  }, lookMs).unref();
  return {
    feed() {
      looks = 0;
      timer.refresh();
    },
    announce(passMs) {
      limitMs = Math.max(patienceMs, slack * passMs);
    },
    limitMs: () => limitMs,
    stop: () => clearInterval(timer),
  };
}
