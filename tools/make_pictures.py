"""Takes the pictures of docs/pictures/ from the product: a digest of the demo and the asset graph in the Dagster UI.

    python -m tools.make_pictures

Runs the demo in a temporary home, starts the Dagster UI on a free port of loopback and looks at both with a headless
Chromium. Needs one of `BROWSERS`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GROUPS = ("collect", "understand", "remember", "deliver", "operate")
MOST_BYTES = 300_000


def main() -> int:
    """Takes the pictures; returns an exit status."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"No browser found; install one of {', '.join(BROWSERS)}.\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix="clientlore-pictures-", ignore_cleanup_errors=True
    ) as folder:
        home = Path(folder, "home")
        environment = {**os.environ, "CLIENTLORE_HOME": str(home), "CLIENTLORE_APP": str(ROOT)}
        _command(environment, "demo", "--json")
        page = Path(folder, "digest.html")
        _command(
            environment, "digest", "show", "--tenant", "demo", "--user", "ann", "--html", str(page)
        )
        _look(browser, page.as_uri(), Path(folder, "digest.png"), 680, 1000)
        _save(_down_to_a_rule(Image.open(Path(folder, "digest.png"))), "digest.png")
        with _ui(environment) as address:
            shown = ",".join(f"global@global:{group}" for group in GROUPS)
            target = Path(folder, "graph.png")
            _look(
                browser, f"{address}/asset-groups?expanded={shown}", target, 2200, 1500, wait=20_000
            )
        _save(_graph_alone(Image.open(target)), "asset-graph.png")
    return 0


def _command(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - our own interpreter, our own arguments
        [sys.executable, "-m", "clientlore.cli.main", *arguments],
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def _ui(environment: dict[str, str]) -> Generator[str]:
    """The Dagster UI, for as long as it is looked at; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own arguments
        [sys.executable, "-m", "orchestration", "dev", "--port", str(port)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(address: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    message = f"the Dagster UI did not answer within {seconds:.0f} s"
    raise TimeoutError(message)


def _look(browser: str, url: str, target: Path, width: int, height: int, wait: int = 0) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        subprocess.run(  # noqa: S603 - a browser that was found, our own arguments
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                *([f"--virtual-time-budget={wait}"] if wait else []),
                f"--screenshot={target}",
                url,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=180,
        )


def _down_to_a_rule(picture: Image.Image) -> Image.Image:
    """The upper part of a digest, cut where a rule between two items ends it."""
    grey = picture.convert("L")
    for row in range(grey.height - 1, grey.height // 2, -1):
        line = grey.crop((80, row, 600, row + 1)).getextrema()
        if line[0] == line[1] < 240:
            return picture.crop((0, 0, picture.width, row + 16))
    return picture


def _graph_alone(picture: Image.Image) -> Image.Image:
    """The graph without navigation and controls."""
    picture.paste("white", (2140, picture.height // 2 + 300, picture.width, picture.height))
    canvas = picture.crop((560, 130, picture.width, picture.height))
    # The frames of groups and the names in them; the dots of the background are lighter.
    drawn = canvas.convert("L").point(lambda value: 255 if value < 228 else 0)
    left, top, right, bottom = drawn.getbbox() or (0, 0, *canvas.size)
    edge = 16
    return canvas.crop(
        (
            max(left - edge, 0),
            max(top - edge, 0),
            min(right + edge, canvas.width),
            min(bottom + edge, canvas.height),
        )
    )


def _save(picture: Image.Image, name: str) -> None:
    target = FOLDER / name
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)
    size = target.stat().st_size
    sys.stderr.write(
        f"{target.relative_to(ROOT)}: {picture.width}x{picture.height}, {size:,} bytes\n"
    )
    if size > MOST_BYTES:
        message = f"{name} has {size:,} bytes, more than {MOST_BYTES:,}"
        raise ValueError(message)


if __name__ == "__main__":
    sys.exit(main())
