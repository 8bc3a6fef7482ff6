"""The plan: a unit cut into slices. Data that can be printed, frozen with the run and read back."""

from __future__ import annotations

import hashlib
import json
from typing import Self

from pydantic import model_validator

from contracts.catalog import structure
from contracts.mapping import CdmModel
from contracts.model import Contract, Json
from contracts.unit import EndpointUnitDescriptor, GonePolicy, IngestionMode, UnitPolicy


class IngestionSlice(Contract):
    """A bounded piece of a unit (also known as: partition, chunk). ``params`` are the source's own."""

    key: str
    """Stable within the plan; the receipt is filed under it."""
    sequence: int
    """Position in the plan, from 0."""
    params: Json = {}
    expected_rows: int | None = None
    """Rows the source promises, where it can (I9); estimates do not belong here."""
    estimated_rows: int | None = None
    estimated_bytes: int | None = None


class SliceReport(Contract):
    """What a source knows about a slice only after reading it: the value its ``export`` generator returns."""

    expected_rows: int | None = None
    """Rows the source promised while it was read (totals, listed ids); compared with what was staged (I9)."""
    observed: Json = {}
    """What the source wants remembered when it folds receipts to a checkpoint."""
    gaps: tuple[str, ...] = ()
    """One line for each part that could not be read and is not known to be gone."""


class IngestionPlan(Contract):
    """How one run reads one unit. Same inputs, same plan; slices are disjoint and cover the range.

    ``checkpoint_after`` holds once the receipts of all slices are committed, and not before (I4).
    """

    endpoint_id: str
    unit: EndpointUnitDescriptor
    mode: IngestionMode
    strategy: str
    """How the range was cut, in one word: ``single``, ``key-range``, ``cursor-range``, …"""
    reason: str = ""
    """Why it was cut so, in one sentence for people."""
    slices: tuple[IngestionSlice, ...]
    policy: UnitPolicy
    checkpoint_before: Json | None = None
    checkpoint_after: Json | None = None
    census: bool = False
    """Keys are compared with the source at the end of this run although it is incremental."""
    cdm_model: CdmModel | None = None
    """What the rows are mapped to before they reach the sink; None for raw rows."""

    @property
    def on_gone(self) -> GonePolicy:
        """What the policy says, or the default for such rows."""
        return self.policy.on_gone or ("delete" if self.cdm_model is None else "tombstone")

    @model_validator(mode="after")
    def _keys_are_unique_and_ordered(self) -> Self:
        keys = [piece.key for piece in self.slices]
        if len(set(keys)) != len(keys):
            raise ValueError("slice keys must be unique within a plan")
        if [piece.sequence for piece in self.slices] != list(range(len(self.slices))):
            raise ValueError("slices must be numbered from 0 in order")
        return self

    @property
    def fingerprint(self) -> str:
        """See :func:`fingerprint`."""
        return fingerprint(self.unit, self.mode, self.policy, self.checkpoint_before, self.cdm_model)

    def extended(self, extra: tuple[IngestionSlice, ...]) -> IngestionPlan:
        """The same plan with ``extra`` slices at its end, renumbered; their keys must be new."""
        start = len(self.slices)
        numbered = tuple(piece.model_copy(update={"sequence": start + i}) for i, piece in enumerate(extra))
        return IngestionPlan(**{**dict(self), "slices": self.slices + numbered})


def fingerprint(
    unit: EndpointUnitDescriptor,
    mode: IngestionMode,
    policy: UnitPolicy,
    checkpoint: Json | None,
    cdm_model: CdmModel | None = None,
) -> str:
    """What must be the same for a plan to be continued: shape, mode, filter, key, cursor, target, start, model."""
    asked = policy.model_dump_json(
        include={"filter", "selectors", "cursor_columns", "key_columns", "target_namespace", "target_name"}
    )
    start = json.dumps(checkpoint, sort_keys=True)
    model = cdm_model.model_dump_json() if cdm_model else ""
    what = "\n".join([unit.unit_id, structure(unit.dataset), mode, asked, start, model])
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def explain(plan: IngestionPlan) -> str:
    """The plan in words, one line a slice, without touching the source."""
    head = [
        f"{plan.unit.unit_id}: {plan.mode}, {len(plan.slices)} slice(s), {plan.strategy}",
        *([plan.reason] if plan.reason else []),
    ]
    return "\n".join(head + [_explain_slice(piece) for piece in plan.slices])


def _explain_slice(piece: IngestionSlice) -> str:
    rows = piece.expected_rows if piece.expected_rows is not None else piece.estimated_rows
    sign = "" if piece.expected_rows is not None else "~"
    size = f", ~{piece.estimated_bytes / 1048576:.1f} MiB" if piece.estimated_bytes is not None else ""
    about = f" ({sign}{rows} rows{size})" if rows is not None else ""
    return f"  {piece.sequence:>4} {piece.key}{about} {piece.params.get('explain', '')}".rstrip()
