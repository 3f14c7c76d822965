/** Ctrl-C once stops after the calls in flight; twice stops now. Both leave a run that can be resumed. */
export function operatorSignal(): { readonly signal: AbortSignal; wasTold(): boolean } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nStopping after the calls in flight; once more stops now.\n');
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { signal: controller.signal, wasTold: () => controller.signal.aborted };
}
