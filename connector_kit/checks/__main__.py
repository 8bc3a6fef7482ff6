"""``python -m connector_kit.checks MODULE FOLDER [CHECK…]``: scorecards of the module's labs, written to the folder."""

from __future__ import annotations

import sys
from pathlib import Path

from connector_kit.checks.labs import write_cards

if __name__ == "__main__":
    write_cards(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
