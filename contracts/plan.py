"""The plan: a unit divided into slices. Plain data that is stored with the run and can be printed."""

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
    """A bounded part of a unit (also known as: partition, chunk). Only the source interprets ``params``."""

    key: str
    """Stable within the plan; identifies the slice's receipt."""
    sequence: int
    """Position in the plan, from 0."""
    params: Json = {}
    expected_rows: int | None = None
    """Number of rows that the source guarantees, if it can (I9); not an estimate."""
    estimated_rows: int | None = None
    estimated_bytes: int | None = None


class SliceReport(Contract):
    """What a source knows about a slice only after reading it: the return value of its ``export`` generator."""

    expected_rows: int | None = None
    """Rows that the source announced during the read (totals, listed ids); compared with the rows staged (I9)."""
    observed: Json = {}
    """What the source needs to know when it derives the checkpoint from receipts."""
    gaps: tuple[str, ...] = ()
    """One line for each part that could not be read and is not known to be gone."""


class IngestionPlan(Contract):
    """How one run reads one unit. Planning is deterministic; slices are disjoint and cover the range.

    ``checkpoint_after`` becomes valid when the receipts of all slices are committed, and not before (I4).
    """

    endpoint_id: str
    unit: EndpointUnitDescriptor
    mode: IngestionMode
    strategy: str
    """How the range was divided, in one word: ``single``, ``key-range``, ``cursor-range``, …"""
    reason: str = ""
    """Why it was divided this way, in one sentence for people."""
    slices: tuple[IngestionSlice, ...]
    policy: UnitPolicy
    checkpoint_before: Json | None = None
    checkpoint_after: Json | None = None
    notes: tuple[str, ...] = ()
    """What an operator should know about this plan, one sentence each; shown with the plan and with the result."""
    census: bool = False
    """Whether this incremental run compares keys with the source at its end."""
    cdm_model: CdmModel | None = None
    """The common model that rows are mapped to before they reach the sink; None for raw rows."""

    @property
    def on_gone(self) -> GonePolicy:
        """The policy's ``on_gone``, or the default: ``delete`` for raw rows, ``tombstone`` for common-model rows."""
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
    """Hash (16 hexadecimal digits) of everything that must be equal for a plan to be resumed.

    These are schema, mode, filter, selectors, key, cursor, target, starting checkpoint and common model.
    """
    selection = policy.model_dump_json(
        include={"filter", "selectors", "cursor_columns", "key_columns", "target_namespace", "target_name"}
    )
    start = json.dumps(checkpoint, sort_keys=True)
    model = cdm_model.model_dump_json() if cdm_model else ""
    what = "\n".join([unit.unit_id, structure(unit.dataset), mode, selection, start, model])
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def explain(plan: IngestionPlan) -> str:
    """The plan as text, one line per slice, without access to the source."""
    head = [
        f"{plan.unit.unit_id}: {plan.mode}, {len(plan.slices)} slice(s), {plan.strategy}",
        *([plan.reason] if plan.reason else []),
        *(f"Note: {line}" for line in plan.notes),
    ]
    return "\n".join(head + [_explain_slice(piece) for piece in plan.slices])


def _explain_slice(piece: IngestionSlice) -> str:
    rows = piece.expected_rows if piece.expected_rows is not None else piece.estimated_rows
    sign = "" if piece.expected_rows is not None else "~"
    size = f", ~{piece.estimated_bytes / 1048576:.1f} MiB" if piece.estimated_bytes is not None else ""
    about = f" ({sign}{rows} rows{size})" if rows is not None else ""
    return f"  {piece.sequence:>4} {piece.key}{about} {piece.params.get('explain', '')}".rstrip()
