"""What a notebook shows of a connector's work. Each function gives an object that a cell shows when it ends with it.

    from connector_kit import show

    show.catalog(source.collect_catalog("books"))   # tables: endpoint, connection, config, units, columns, model
    show.plan(plan, receipts)                       # charts: plan, timeline, mapping; summary has both
    show.frame(rows)                                # rows: frame, profile, staged
    show.refused(lambda: source.plan(request))      # typed errors: refused, error

A run is watched by passing a ``show.RunRecorder()`` to it as its observer: ``show.plan(watch.plan, watch.receipts)``,
``show.workers(watch)``.

``show.beside(a, b)`` puts two of them next to each other. Nothing here asks a source or a sink anything, except
``staged``, which reads the slice it is given.
"""

from __future__ import annotations

from connector_kit.drawing.bars import Bar, Part, bars
from connector_kit.drawing.datasets import catalog, columns, config, connection, endpoint, model, settings, units
from connector_kit.drawing.drawing import AMBER, BLUE, GREEN, GREY, RED, VIOLET, Drawing, below, beside
from connector_kit.drawing.frames import collected, frame, kind, profile, staged
from connector_kit.drawing.mapping import dependencies, mapping
from connector_kit.drawing.refusals import error, refused
from connector_kit.drawing.run_recorder import RunRecorder, workers
from connector_kit.drawing.runs import checkpoint, plan, receipts, slices, summary
from connector_kit.drawing.table import record, table
from connector_kit.drawing.timeline import timeline
from connector_kit.drawing.values import TableCell, cell

__all__ = [
    "AMBER",
    "BLUE",
    "GREEN",
    "GREY",
    "RED",
    "VIOLET",
    "Bar",
    "Drawing",
    "Part",
    "RunRecorder",
    "TableCell",
    "bars",
    "below",
    "beside",
    "catalog",
    "cell",
    "checkpoint",
    "collected",
    "columns",
    "config",
    "connection",
    "dependencies",
    "endpoint",
    "error",
    "frame",
    "kind",
    "mapping",
    "model",
    "plan",
    "profile",
    "receipts",
    "record",
    "refused",
    "settings",
    "slices",
    "staged",
    "summary",
    "table",
    "timeline",
    "units",
    "workers",
]  # fmt: skip
