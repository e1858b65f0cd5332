"""Many requests to several providers at once: as fast as their rates allow, and never more connections than allowed."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections import Counter
from random import Random

import httpx

from clientlore.clock import SystemClock
from clientlore.providers.http import HOSTS_AT_ONCE, Http, open_client
from clientlore.providers.lanes import side_by_side
from clientlore.providers.limits import Allowance

PROVIDERS = 5
RATE, BURST, CONNECTIONS, LATENCY = 100, 100, 32, 0.05


class Servers:
    """Answers after a while; counts who is asked at the same time."""

    def __init__(self) -> None:
        self.running = Counter[str]()
        self.most = Counter[str]()
        self.asked = Counter[str]()
        self.tasks = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        self.asked[host] += 1
        self.tasks = max(self.tasks, len(asyncio.all_tasks()))
        self.running[host] += 1
        self.most[host] = max(self.most[host], self.running[host])
        await asyncio.sleep(LATENCY)
        self.running[host] -= 1
        return httpx.Response(200, content=b"x" * 2_000)


def ask_all(clients: int) -> tuple[Servers, float, int]:
    """Asks each provider about each client; gives the seconds it took and the most bytes it held."""
    servers = Servers()

    async def run() -> float:
        async with open_client(20, transport=httpx.MockTransport(servers.answer)) as client:
            http = Http(client, clock=SystemClock(), rng=Random(1), concurrency=CONNECTIONS)
            started = time.perf_counter()

            async def one(work: tuple[int, int]) -> None:
                provider, number = work
                allowance = Allowance(f"p{provider}", RATE, BURST)
                url = f"https://p{provider}.example/{number}"
                await http.request("GET", url, allowance=allowance)

            await side_by_side(
                [(p, n) for n in range(clients) for p in range(PROVIDERS)],
                one,
                lane_of=lambda work: work[0],
                in_lane=CONNECTIONS,
                in_all=CONNECTIONS * HOSTS_AT_ONCE,
            )
            return time.perf_counter() - started

    tracemalloc.start()
    seconds = asyncio.run(run())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return servers, seconds, peak


def test_providers_are_asked_side_by_side_at_their_rates() -> None:
    clients = 300
    servers, seconds, peak = ask_all(clients)
    assert set(servers.asked.values()) == {clients}
    assert len(servers.asked) == PROVIDERS
    assert max(servers.most.values()) <= CONNECTIONS
    least = (clients - BURST) / RATE
    assert seconds >= least
    # One after another would be a minute and a quarter; how near to the least it comes is for a machine of its own.
    assert seconds < clients * PROVIDERS * LATENCY / 2
    assert peak < 60_000_000
    # What waits is no task: those under way, and the one that waits for them.
    assert servers.tasks <= PROVIDERS * CONNECTIONS + 1
