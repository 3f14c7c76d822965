"""What the trainer says of attempts to reach another machine."""

import json
import os
import subprocess
import sys

import pytest

from better_together_trainer.network import is_this_machine

PROGRAM = """
import socket
from better_together_trainer.events import Events
from better_together_trainer.network import report_attempts
report_attempts(Events({descriptor}))
for host in ("127.0.0.1", "192.0.2.1"):  # the second is set aside for documentation: nobody answers there
    with socket.socket() as connection:
        connection.settimeout(0.05)
        try:
            connection.connect((host, 9))
        except OSError:
            pass
"""


def test_an_attempt_to_reach_another_machine_is_reported_and_loopback_is_not() -> None:
    read, write = os.pipe()
    program = PROGRAM.format(descriptor=write)
    subprocess.run([sys.executable, "-c", program], pass_fds=[write], check=True, timeout=60)
    os.close(write)
    with os.fdopen(read) as lines:
        assert [json.loads(line) for line in lines] == [{"v": 1, "type": "network", "to": "192.0.2.1"}]


@pytest.mark.parametrize("host", [None, "", "localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_not_the_network(host: str | None) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "::2", "0177.0.0.1"])
def test_every_other_host_is(host: str) -> None:
    assert not is_this_machine(host)
