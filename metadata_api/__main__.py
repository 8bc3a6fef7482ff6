"""``python -m metadata_api HOST PORT [--json] [--header NAME:VALUE]``: the API in this process, until it is ended."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser

from contracts.errors import IngestionError
from flows.prefect_api.client import find_api, home_folder
from metadata_api.serve import serve
from metadata_api.settings import FILE, load_settings


def main(host: str, port: int, header: str | None, *, as_json: bool) -> int:
    """Say where the API answers, and serve; the exit code. The header is sent with every answer."""
    try:
        settings, server = load_settings(home_folder()), find_api()
    except IngestionError as error:
        print(f"{error.code}: {error}", file=sys.stderr)  # noqa: T201 - a program's words
        return 1
    url = f"http://{host}:{port}"
    about = {"url": url, "prefect_api_url": server, "signing_keys": [*settings.signing_keys]}
    words = f"The API answers at {url}; keys and tokens that nobody set are in {home_folder() / FILE}."
    print(json.dumps({"api": about}) if as_json else words, flush=True)  # noqa: T201
    serve(host, port, header)
    return 0


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m metadata_api")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--header")
    asked = parser.parse_args()
    sys.exit(main(asked.host, asked.port, asked.header, as_json=asked.json))
