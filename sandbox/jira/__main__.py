"""``python -m sandbox.jira``: a site until standard input ends; the first line says where and how to log in."""

from __future__ import annotations

import argparse
import json
import sys

from sandbox.jira.server import SandboxJira
from sandbox.jira.site import JiraSite


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.jira", description=__doc__)
    parser.add_argument("--issues", type=int, default=200)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--zone", default="Europe/Berlin", help="of the account")
    options = parser.parse_args()
    site = JiraSite(issues=options.issues, projects=("AND", "OPS", "WEB"), zone=options.zone)
    with SandboxJira(site, latency_s=options.latency_ms / 1000) as server:
        access = {"base_url": server.url, "email": server.email, "api_token": server.token}
        sys.stdout.write(json.dumps(access) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
