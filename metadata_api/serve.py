"""The API under uvicorn."""

from __future__ import annotations

import uvicorn

KEEP_ALIVE_S = 30


def serve(host: str, port: int, header: str | None = None) -> None:
    """Answer until the process is told to end; requests in hand are finished first.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        header: ``name:value``, sent with every answer.

    One process: rate limits are counted per process, and the work is done by Prefect's workers.
    """
    name, _, value = (header or "").partition(":")
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
        headers=[(name, value)] if name else None,
        log_level="warning",
    )
