"""``python -m sandbox.openshelf``: a service until standard input ends; the first line says where and the token."""

from __future__ import annotations

import argparse
import json
import sys

from sandbox.openshelf.server import SandboxOpenshelf, ShelfFaults
from sandbox.openshelf.site import ShelfSite


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.openshelf", description=__doc__)
    parser.add_argument("--books", type=int, default=400)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--most-per-s", type=int, default=None, help="requests a second; more are answered 429")
    options = parser.parse_args()
    site, faults = ShelfSite(books=options.books), ShelfFaults(most_per_s=options.most_per_s)
    with SandboxOpenshelf(site, latency_s=options.latency_ms / 1000, faults=faults) as server:
        sys.stdout.write(json.dumps({"base_url": server.url, "token": server.token}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
