"""`python -m bench.many_requests`: 1,000 clients asked about at 5 providers, through the HTTP layer and a budget each.

A provider answers 2,000 bytes after 50 ms and lets through 100 requests a second after a burst of 100; at most 32
connections are open to each. No run can be shorter than (requests - burst) / rate of its busiest provider; the aim is
1.3 times that. Answers are dropped as they come, as a collection stores them, and what waits its turn in a lane is no
task yet: what a run adds to memory is the same for 1,250 requests as for 10,000.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import httpx

from clientlore.clock import SystemClock
from clientlore.control.budgets import Budget, Limits
from clientlore.providers.http import HOSTS_AT_ONCE, Http, open_client
from clientlore.providers.lanes import side_by_side
from clientlore.providers.limits import Allowance
from clientlore.providers.metering import Meter
from clientlore.settings import Settings
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

PROVIDERS = tuple(f"p{n}" for n in range(5))
RATE, BURST, CONNECTIONS, LATENCY, BYTES = 100, 100, 32, 0.05, 2_000


class Servers:
    """Answers after a while; counts who is asked at the same time."""

    def __init__(self) -> None:
        self.running = Counter[str]()
        self.most = Counter[str]()
        self.asked = Counter[str]()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Two thousand bytes."""
        host = request.url.host
        self.asked[host] += 1
        self.running[host] += 1
        self.most[host] = max(self.most[host], self.running[host])
        await asyncio.sleep(LATENCY)
        self.running[host] -= 1
        return httpx.Response(200, content=b"x" * BYTES)


def measure(clients: int) -> dict[str, Any]:
    """What one run costs; called in a process of its own, since memory is measured."""
    servers = Servers()
    with (
        tempfile.TemporaryDirectory() as folder,
        Workspace.open(Settings(home=Path(folder))) as workspace,
    ):
        put_tenant(workspace, "tenant: desk\nname: Desk\n")
        meters = {
            p: Meter(
                p, Budget(workspace.control, workspace.clock, "desk", p, Limits(calls=clients))
            )
            for p in PROVIDERS
        }
        before = _resident()
        seconds = asyncio.run(_ask(servers, meters, clients))
        for meter in meters.values():
            meter.close()
        spent = {p: m.budget.today().settled.calls for p, m in meters.items()}
        grown = _peak() - before
    assert set(servers.asked.values()) == set(spent.values()) == {clients}
    least = max(clients - BURST, 0) / RATE
    return {
        "clients": clients,
        "requests": sum(servers.asked.values()),
        "seconds": seconds,
        "least": least,
        "connections": max(servers.most.values()),
        "grown_mib": grown / 2**20,
        "answers_mib": sum(servers.asked.values()) * BYTES / 2**20,
    }


async def _ask(servers: Servers, meters: dict[str, Meter], clients: int) -> float:
    async with open_client(20, transport=httpx.MockTransport(servers.answer)) as client:
        http = Http(client, clock=SystemClock(), rng=Random(1), concurrency=CONNECTIONS)
        metered = {p: http.metered(meter) for p, meter in meters.items()}
        started = time.perf_counter()
        for meter in meters.values():
            meter.prepare(clients)

        sizes = Counter[int]()

        async def one(work: tuple[str, int]) -> None:
            provider, number = work
            allowance = Allowance(provider, RATE, BURST)
            url = f"https://{provider}/{number}"
            answer = await metered[provider].request("GET", url, allowance=allowance)
            sizes[len(answer.body)] += 1

        await side_by_side(
            ((p, n) for n in range(clients) for p in PROVIDERS),
            one,
            lane_of=lambda work: work[0],
            in_lane=CONNECTIONS,
            in_all=CONNECTIONS * HOSTS_AT_ONCE,
        )
        assert sizes == {BYTES: clients * len(PROVIDERS)}
        return time.perf_counter() - started


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.many_requests", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[250, 500, 1_000, 2_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        print(json.dumps(measure(asked.one)))
        return
    columns = (
        "clients",
        "requests",
        "seconds",
        "least",
        "ratio",
        "connections",
        "grown MiB",
        "answers MiB",
    )
    print("".join(f"{name:>13}" for name in columns))
    for clients in asked.clients:
        command = [sys.executable, "-m", "bench.many_requests", "--one", str(clients)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr[-4_000:])
        told = json.loads(done.stdout.splitlines()[-1])
        ratio = told["seconds"] / told["least"] if told["least"] else float("nan")
        print(
            f"{told['clients']:>13,}{told['requests']:>13,}{told['seconds']:>13.2f}{told['least']:>13.2f}"
            f"{ratio:>13.2f}{told['connections']:>13}{told['grown_mib']:>13.1f}{told['answers_mib']:>13.1f}"
        )


if __name__ == "__main__":
    main()
