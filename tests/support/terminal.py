"""A pseudo-terminal at which a command is run and its questions are answered."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def at_a_terminal(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    answers: Sequence[str] = (),
    seconds: float = 240,
) -> tuple[int, str]:
    """Runs a command, answers each question once it stands there; returns its exit status and what was said."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdin=inner, stdout=inner, stderr=inner, close_fds=True
    )
    os.close(inner)
    waiting, said, seen = list(answers), "", 0
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if select.select([outer], [], [], 0.2)[0]:
                try:
                    chunk = os.read(outer, 4096).decode(errors="replace")
                except OSError:  # Linux says EIO when the other end is closed
                    break
                if not chunk:
                    break
                said += chunk
            elif waiting and said[seen:].rstrip(" ").endswith(":"):
                seen = len(said)
                os.write(outer, f"{waiting.pop(0)}\n".encode())
            elif process.poll() is not None:
                break
        process.wait(timeout=max(deadline - time.monotonic(), 1))
    finally:
        process.kill()
        process.wait()
        os.close(outer)
    assert waiting == [], said
    return process.returncode, said.replace("\r\n", "\n")
