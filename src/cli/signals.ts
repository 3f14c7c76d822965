import { now } from '../system/clock.ts';

const echoMs = 250;

/** Ctrl-C once stops after the calls in flight; twice stops now. Both leave a run that can be resumed. */
export function operatorSignal(): { readonly signal: AbortSignal; wasTold(): boolean } {
  const controller = new AbortController();
  let firstMs = 0;
  const onSignal = () => {
    // One Ctrl-C can arrive twice: from the terminal to the whole process group, and from a parent that passes it on.
    if (controller.signal.aborted && now() - firstMs < echoMs) return;
    if (controller.signal.aborted) process.exit(130);
    firstMs = now();
    process.stderr.write('\nStopping after the calls in flight; once more stops now.\n');
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { signal: controller.signal, wasTold: () => controller.signal.aborted };
}
