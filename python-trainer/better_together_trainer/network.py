"""Reports every attempt to reach another machine: a run's record counts them, and there should be none."""

import ipaddress
import sys
from typing import Any

from .events import Events

LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname")
CONNECTIONS = ("socket.connect", "socket.sendto")


def report_attempts(events: Events) -> None:
    """From here on, to the end of the process: an audit hook is not removed, nor bypassed by a library."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in LOOKUPS:
            host = arguments[0]
        elif event in CONNECTIONS and isinstance(arguments[1], tuple):  # a Unix socket's address is a path
            host = arguments[1][0]
        else:
            return
        if not is_this_machine(host):
            events.emit("network", to=str(host))

    sys.addaudithook(watch)


def is_this_machine(host: Any) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False
