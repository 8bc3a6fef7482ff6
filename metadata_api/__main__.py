"""``python -m metadata_api HOST PORT``: the API in this process, until it is ended."""

from __future__ import annotations

import sys

from metadata_api.serve import serve

if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
