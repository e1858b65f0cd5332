"""A system Chromium driven over its debugging port: opens a file at a width, in light or dark, and is asked."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # Nothing but loopback is within reach.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
Scheme = Literal["light", "dark"]


def find_browser() -> str | None:
    """The path of a Chromium of this system, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One Chromium with one page. Used as a context.

    Args:
        program: Its path.
        profile: An empty folder of its own.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self._profile = profile
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._open = ExitStack()
        self._socket: ClientConnection | None = None
        self._asked = 0
        self.requested: list[str] = []
        self.said: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._attach()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def open(self, page: Path, width: int, scheme: Scheme, height: int = 900) -> None:
        """Opens a file in a window of this width, with this preference of colours, and waits until it is there."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.requested.clear()
        self.said.clear()
        self.ask("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + 120
        while self.evaluate("document.readyState + location.href") != f"complete{page.as_uri()}":
            assert time.monotonic() < deadline, "the page did not load"
            time.sleep(0.05)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, file: Path, clip: dict[str, float] | None = None) -> None:
        """Takes a picture of the whole page, or of a part of it."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        part = clip or {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
        answer = self.ask(
            "Page.captureScreenshot",
            format="png",
            captureBeyondViewport=True,
            clip={**part, "scale": 1},
        )
        file.write_bytes(base64.b64decode(answer["data"]))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command of the DevTools protocol and waits for its answer; notes what the page asks for."""
        assert self._socket is not None
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(timeout=240))
            if told.get("method") == "Network.requestWillBeSent":
                self.requested.append(told["params"]["request"]["url"])
            elif told.get("method") == "Log.entryAdded":
                self.said.append(told["params"]["entry"]["text"])
            elif told.get("id") == self._asked:
                assert "error" not in told, told["error"]
                return dict(told["result"])

    def _attach(self) -> None:
        port = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + 120
        while not (port.exists() and len(port.read_text().splitlines()) == 2):
            assert self._process.poll() is None, "Chromium ended"
            assert time.monotonic() < deadline, "Chromium did not start"
            time.sleep(0.05)
        number = port.read_text().splitlines()[0]
        listed = httpx.get(f"http://127.0.0.1:{number}/json/list", trust_env=False).json()
        address = next(x["webSocketDebuggerUrl"] for x in listed if x["type"] == "page")
        self._socket = self._open.enter_context(connect(address, max_size=None, proxy=None))
        for domain in ("Page", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def _stop(self) -> None:
        self._open.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
