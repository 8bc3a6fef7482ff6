"""What the system itself said: keys from the test system, from the wire, from the connector's own list of keys."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from connector_kit.checks.rows import frame_of, keys_of
from connector_kit.checks.system import HookMissingError, SkippedError, UntriedError
from connector_kit.recording.page_faults import PageFault
from connector_kit.recording.page_shape import get
from contracts.traits import SupportsDeleteDetection

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext, ConnectedSource
    from connector_kit.checks.system import PageLocation
    from connector_kit.recording.messages import RecordedRequest
    from contracts.plan import IngestionPlan


@dataclass
class KeyRecorder(PageFault):
    """Changes nothing; keeps the keys of the rows that go by, one set for each answer."""

    key: str = "id"
    _: KW_ONLY
    times: int | None = None
    pages: list[set[str]] = field(default_factory=list)

    @classmethod
    def at(cls, location: PageLocation) -> KeyRecorder:
        """A watch on those pages."""
        return cls(location.shape, key=location.key, **location.request_filter)

    @property
    def keys(self) -> set[str]:
        """All keys that went by."""
        return set().union(*self.pages)

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Any]) -> Any:  # noqa: ARG002 - of all page faults
        with self._lock:
            self.pages.append({str(get(row, self.key)) for row in rows})
        return page


def keys_at_source(context: CheckContext, one: ConnectedSource) -> tuple[set[str], str]:
    """Keys of all rows, and who says so: the test system, else the connector's own list of keys.

    Raises:
        SkippedError: Neither can tell.
    """
    try:
        return context.system.keys(), "the test system"
    except HookMissingError as missing:
        if not isinstance(one.source, SupportsDeleteDetection):
            raise UntriedError(f"{missing}; and the connector cannot list keys") from missing
        return listed_keys(one, one.plan()), "the connector's list of keys"


def listed_keys(one: ConnectedSource, plan: IngestionPlan) -> set[str]:
    """What the connector lists for the comparison of keys."""
    if not isinstance(one.source, SupportsDeleteDetection):
        raise SkippedError("the connector cannot list keys")
    frames = one.source.export_keys(plan)
    return {key for frame in frames for key in keys_of(frame_of(frame), plan.unit)}
