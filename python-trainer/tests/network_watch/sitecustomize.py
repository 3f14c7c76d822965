"""Notes every attempt to reach or look up another machine, also one whose failure a library swallows.

The interpreter imports this module before anything else when its folder is on PYTHONPATH.
"""

import os
import sys
from typing import Any

REACHING_OUT = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in REACHING_OUT:
        return
    # (socket, address): the address of a Unix socket is a path, which leads nowhere else.
    if event in ("socket.connect", "socket.sendto") and not isinstance(arguments[1], tuple):
        return
    with open(os.environ["NETWORK_LOG"], "a") as log:  # noqa: PTH123 (pathlib would be one import more to trust)
        print(event, arguments[1:], file=log)


sys.addaudithook(watch)
