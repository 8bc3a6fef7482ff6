"""What the log of a run says of a typed failure: its sentence, which names the next step, and no traceback."""

from __future__ import annotations

import logging
from functools import cache

from contracts.errors import IngestionError
from flows.stages.export import RunStopped, run_stopped_error

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


class _Plainly(logging.Filter):
    """Puts the sentence of a typed error, or of a stopped slice, in place of Prefect's words and the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RunStopped):
            record.levelno, record.levelname = logging.INFO, "INFO"
            error = run_stopped_error()
        if isinstance(error, IngestionError):
            record.msg, record.args = f"{error.code}: {error}", ()
            record.exc_info = record.exc_text = None
        return True


@cache
def log_typed_errors_plainly() -> None:
    """From now on, in this process."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_Plainly())
