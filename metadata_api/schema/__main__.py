"""``python -m metadata_api.schema``: prints the schema, for ``docs/schema.graphql``."""

from __future__ import annotations

import sys

from metadata_api.schema.build import sdl

if __name__ == "__main__":
    sys.stdout.write(sdl())
