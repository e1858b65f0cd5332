"""Commands typed in process, and what they said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer to `--json`."""
        return json.loads(self.out)

    @property
    def both(self) -> str:
        """What it said on either stream."""
        return self.out + self.err

    @property
    def answer(self) -> str:
        """The answer, or the trouble where it ended in some."""
        return self.err if self.status else self.out


Commands = Callable[..., Said]
