"""The API under uvicorn."""

from __future__ import annotations

import uvicorn

KEEP_ALIVE_S = 30


def serve(host: str, port: int) -> None:
    """Answer until the process is told to end; requests in hand are finished first.

    One process: rate limits are counted per process, and the work is done by Prefect's workers.
    """
    uvicorn.run(
        "metadata_api.app:create_app",
        factory=True,
        host=host,
        port=port,
        access_log=False,  # it would write query strings
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=20,
        h11_max_incomplete_event_size=32_768,
        server_header=False,
        log_level="warning",
    )
