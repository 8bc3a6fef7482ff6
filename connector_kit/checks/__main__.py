"""``python -m connector_kit.checks MODULE FOLDER [CHECK…]``: write a scorecard for each test system of the module."""

from __future__ import annotations

import sys
from pathlib import Path

from connector_kit.checks.subprocess_run import write_scorecards

if __name__ == "__main__":
    write_scorecards(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
