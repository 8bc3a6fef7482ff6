"""The Prefect collection ``nucleus``: every block type that ``prefect block register --module flows.blocks`` finds."""

from flows.blocks.types import Checkpoint, LocalStaging, MemoryStaging, StateEntry, __dir__, __getattr__

__all__ = ["Checkpoint", "LocalStaging", "MemoryStaging", "StateEntry", "__dir__", "__getattr__"]
