"""How the parent ends us: SIGTERM, SIGINT and the end of our standard input mean "save and stop", exit 75.

Outside of training there is nothing to save, so the process ends at once, even in the middle of importing
torch or of a long call into native code: every output file is written under another name and renamed, so
whatever is cut off never counts as done. During training the wish is only noted, and the trainer saves after
the step it is in.
"""

import contextlib
import ctypes
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator

from .errors import EXIT_STOPPED
from .events import Events

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1
STDIN = 0


class Lifeline:
    """Listens for the parent's wish to stop, and ends the process or lets the trainer do it."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._deferring = False
        self._reason: str | None = None

    @property
    def is_stopping(self) -> bool:
        return self._reason is not None

    def watch(self) -> None:
        """Starts listening. Call it in the main thread, before any other thread exists."""
        ask_to_die_with_parent()
        # Blocked everywhere and awaited in one thread: a handler would run only when the main thread comes
        # back from native code, which for a large model is minutes.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        threading.Thread(target=self._await_signal, daemon=True, name="signals").start()
        if is_pipe(STDIN):
            threading.Thread(target=self._await_end_of_stdin, daemon=True, name="stdin").start()

    def request_stop(self, reason: str) -> None:
        with self._lock:
            self._reason = self._reason or reason
            if self._deferring:
                return
        self.end_process()

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """Inside, a stop is only noted: the caller asks `is_stopping` after each step."""
        with self._lock:
            self._deferring = True
        try:
            yield
        finally:
            with self._lock:
                self._deferring = False

    def end_process(self, **fields: int) -> None:
        self._events.emit("stopped", reason=self._reason, **fields)
        os._exit(EXIT_STOPPED)

    def _await_signal(self) -> None:
        while True:
            self.request_stop(signal.Signals(signal.sigwait(STOP_SIGNALS)).name)

    def _await_end_of_stdin(self) -> None:
        # os.read, because a daemon thread inside of sys.stdin's buffer aborts the interpreter when that ends.
        while os.read(STDIN, 4096):
            pass
        self.request_stop("stdin closed")


def is_pipe(descriptor: int) -> bool:
    """Only a pipe speaks of its other end; the end of /dev/null, which launchers give, means nothing."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def ask_to_die_with_parent() -> None:
    """A second belt on Linux, for a parent killed while somebody else holds our standard input open."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
