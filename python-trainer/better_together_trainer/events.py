"""Events to the parent: one JSON object a line, on descriptor 3 or in the file BETTER_TOGETHER_EVENTS.

Types: start, ready, progress, heartbeat, checkpoint, warning, network, result, stopped, error.
Standard output and standard error belong to the libraries, which print on both.
"""

import fcntl
import json
import os
import threading
import time
from typing import Any

PROTOCOL_VERSION = 1
HEARTBEAT_SECONDS = 2.0
DESCRIPTOR = 3
FILE_VARIABLE = "BETTER_TOGETHER_EVENTS"


class Events:
    """Writes events; safe from any thread. Without a descriptor it is silent."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._phase = "start"

    def emit(self, type: str, **fields: Any) -> None:  # noqa: A002 (the protocol's word)
        """Sends one event. A NaN is a ValueError here, and not a line that the parent cannot parse."""
        line = json.dumps({"v": PROTOCOL_VERSION, "type": type, **fields}, allow_nan=False) + "\n"
        if self._descriptor is None:
            return
        with self._lock:
            try:
                write_whole(self._descriptor, line.encode())
            except BrokenPipeError:
                self._descriptor = None  # the parent is gone; the lifeline notices that by itself

    def enter(self, phase: str) -> None:
        """Names what the process does now; every heartbeat carries it."""
        self._phase = phase
        self.beat()

    def beat(self) -> None:
        self.emit("heartbeat", phase=self._phase, seconds=round(time.monotonic() - self._started, 1))

    def start_heartbeat(self) -> None:
        """Beats from a thread: importing torch or a long kernel in the main thread does not silence it."""

        def beat_forever() -> None:
            while True:
                time.sleep(HEARTBEAT_SECONDS)
                self.beat()

        threading.Thread(target=beat_forever, daemon=True, name="heartbeat").start()


def open_events() -> Events:
    """The file wins over the descriptor: launchers (torchrun, ssh, srun) do not forward descriptor 3."""
    path = os.environ.get(FILE_VARIABLE)
    if path:
        return Events(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if not is_writable(DESCRIPTOR):  # somebody runs us by hand
        return Events(None)
    os.set_inheritable(DESCRIPTOR, False)
    return Events(DESCRIPTOR)


def is_writable(descriptor: int) -> bool:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:  # not open
        return False


def write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
