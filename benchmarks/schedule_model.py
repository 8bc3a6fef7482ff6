"""What a schedule of many units asks of Prefect's server and of the workers: a simulation from measured costs.

``python -m benchmarks.schedule_model`` prints the table of ``docs/growth.md``; no server is started. Each unit is due
once in a period. Its run waits for a place at a worker, starts a process, asks the server so often before its rows
move and so often afterwards. A server process answers one call at a time, in the order they come.
"""

from __future__ import annotations

import argparse
import heapq
from collections import deque
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Costs:
    """What was measured for one small unit (``docs/growth.md``).

    Attributes:
        start_s: Seconds until the process of a run is ready; 0 where many units share one.
        rows_s: Seconds in which its rows move.
        calls: Calls of Prefect's API; half of them before the rows move.
        call_s: Seconds of a server process for each call, its events included.
    """

    start_s: float = 1.5
    rows_s: float = 0.5
    calls: int = 14
    call_s: float = 0.014


@dataclass(frozen=True)
class Machines:
    """What there is of each."""

    servers: int
    workers: int
    places: int = 4
    """Runs at the same time on one worker."""


@dataclass(frozen=True)
class Outcome:
    """One period.

    Attributes:
        p50_s: Seconds from due until rows move, of half of the units at most.
        p95_s: Of 95 of 100.
        ended_s: When the last run ended, from the beginning of the period.
        server_busy: Fraction of the server processes' time until then.
        places_busy: The same of the workers' places.
    """

    p50_s: float
    p95_s: float
    ended_s: float
    server_busy: float
    places_busy: float


def simulate(units: int, period_s: float, machines: Machines, costs: Costs, *, spread: bool) -> Outcome:
    """One period from an idle start.

    Args:
        units: How many are due.
        period_s: Of their schedules.
        machines: What there is.
        costs: Of one run.
        spread: They are due evenly over the period; else all at its beginning.
    """
    before = costs.calls // 2
    moving, ended = before + 1, costs.calls + 2
    due = [period_s * number / units if spread else 0.0 for number in range(units)]
    # A run's steps: -1 is due; 1 to `before` calls; then its rows; then the other calls.
    events = [(at, unit, -1) for unit, at in enumerate(due)]
    heapq.heapify(events)
    free = [0.0] * machines.servers
    places, waiting = machines.workers * machines.places, deque[int]()
    delays, held_s, last = [0.0] * units, 0.0, 0.0
    began = [0.0] * units

    def begin(unit: int, now: float) -> None:
        began[unit] = now
        heapq.heappush(events, (now + costs.start_s, unit, 1))

    while events:
        now, unit, step = heapq.heappop(events)
        if step == -1:
            if places:
                places -= 1
                begin(unit, now)
            else:
                waiting.append(unit)
        elif step == moving:
            delays[unit] = now - due[unit]
            heapq.heappush(events, (now + costs.rows_s, unit, step + 1))
        elif step < ended:
            answered = max(now, heapq.heappop(free)) + costs.call_s
            heapq.heappush(free, answered)
            heapq.heappush(events, (answered, unit, step + 1))
        else:
            held_s, last = held_s + now - began[unit], now
            if waiting:
                begin(waiting.popleft(), now)
            else:
                places += 1
    delays.sort()
    return Outcome(
        p50_s=delays[units // 2],
        p95_s=delays[min(units - 1, int(units * 0.95))],
        ended_s=last,
        server_busy=units * costs.calls * costs.call_s / (last * machines.servers),
        places_busy=held_s / (last * machines.workers * machines.places),
    )


def smallest(units: int, period_s: float, costs: Costs, *, spread: bool, places: int = 4) -> tuple[Machines, Outcome]:
    """The fewest server processes, then the fewest workers, that end what is due within its period."""
    servers = max(1, -(-int(units * costs.calls * costs.call_s * 1000) // int(period_s * 1000)))
    alone_s = costs.start_s + costs.rows_s + costs.calls * costs.call_s
    workers = max(1, int(units * alone_s / period_s / places))
    while True:
        for servers_tried in (servers, servers + 1, servers + 2):
            machines = Machines(servers_tried, workers, places)
            outcome = simulate(units, period_s, machines, costs, spread=spread)
            if outcome.ended_s <= period_s * (1.01 if spread else 1.0) + (alone_s if spread else 0.0):
                return machines, outcome
        workers = max(workers + 1, int(workers * 1.1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--period", type=float, default=3_600.0, help="seconds")
    usual = Costs()
    parser.add_argument("--start", type=float, default=usual.start_s, help="seconds")
    parser.add_argument("--rows", type=float, default=usual.rows_s, help="seconds")
    parser.add_argument("--calls", type=int, default=usual.calls)
    parser.add_argument("--call", type=float, default=usual.call_s, help="seconds")
    chosen = parser.parse_args()
    costs = Costs(chosen.start, chosen.rows, chosen.calls, chosen.call)
    table = Table("units", "due", "servers", "workers", "p50 s", "p95 s", "all ended s", "servers busy", "places busy")
    for units in chosen.units:
        for spread in (True, False):
            machines, found = smallest(units, chosen.period, costs, spread=spread)
            table.add_row(
                f"{units:,}", "spread" if spread else "together", str(machines.servers), str(machines.workers),
                f"{found.p50_s:,.1f}", f"{found.p95_s:,.1f}", f"{found.ended_s:,.0f}", f"{found.server_busy:.0%}",
                f"{found.places_busy:.0%}",
            )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
