"""Put on PYTHONPATH, it keeps a Python process from reaching anything but loopback, and notes each attempt."""

import os
import socket
from pathlib import Path

_ALLOWED = ("127.", "::1", "localhost")
_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


def _check(self, address):
    if self.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0])
    if not host.startswith(_ALLOWED):
        log = os.environ.get("LOOPBACK_ONLY_LOG")
        if log:
            with Path(log).open("a") as file:
                file.write(f"{host}\n")
        msg = f"a test must not reach {host}"
        raise OSError(msg)


def _guarded_connect(self, address):
    _check(self, address)
    return _connect(self, address)


def _guarded_connect_ex(self, address):
    _check(self, address)
    return _connect_ex(self, address)


socket.socket.connect = _guarded_connect
socket.socket.connect_ex = _guarded_connect_ex
