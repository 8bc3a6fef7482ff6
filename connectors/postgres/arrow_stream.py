"""Reading an Arrow stream batch by batch without holding the interpreter's lock while the server is waited for.

nanoarrow's own iteration keeps the lock, so that one thread waiting for rows would stop every other slice. A function
called through ctypes gives it up. The structure is the Arrow C stream interface (Arrow specification, "The Arrow C
Stream Interface"); nanoarrow owns the memory of schema and arrays. That interface carries only an error's text; its
SQLSTATE comes from ``AdbcErrorFromArrayStream`` (ADBC specification 1.1), without which a lasting fault looks passing.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import nanoarrow
import polars as pl
from adbc_driver_manager import _lib
from nanoarrow.c_array import allocate_c_array
from nanoarrow.c_schema import allocate_c_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_ERROR = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)


class _ArrowArrayStream(ctypes.Structure):
    _fields_ = (
        ("get_schema", _OUT),
        ("get_next", _OUT),
        ("get_last_error", _ERROR),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _AdbcError(ctypes.Structure):
    _fields_ = (
        ("message", ctypes.c_char_p),
        ("vendor_code", ctypes.c_int32),
        ("sqlstate", ctypes.c_char * 5),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
        ("private_driver", ctypes.c_void_p),
    )


_error_of_stream = ctypes.CDLL(_lib.__file__).AdbcErrorFromArrayStream
_error_of_stream.restype = ctypes.POINTER(_AdbcError)
_error_of_stream.argtypes = (ctypes.c_void_p, ctypes.c_void_p)


class StreamError(Exception):
    """Reading a result failed half-way; the text is the driver's, ``sqlstate`` is empty if the server gave none."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def frames(handle: Any) -> Iterator[pl.DataFrame]:
    """The stream's batches as frames; at least one, maybe without rows, to carry the columns.

    Args:
        handle: An ``ArrowArrayStreamHandle`` of the driver manager; it must stay alive and owns the stream.

    Raises:
        StreamError: The driver reported an error.
    """
    stream = _ArrowArrayStream.from_address(handle.address)
    schema = allocate_c_schema()
    _checked(stream, handle.address, stream.get_schema(handle.address, schema._addr()))  # noqa: SLF001
    empty = True
    while True:
        array = allocate_c_array(schema)
        _checked(stream, handle.address, stream.get_next(handle.address, array._addr()))  # noqa: SLF001
        if not array.is_valid():
            break
        empty = False
        yield pl.DataFrame(nanoarrow.Array(array))
    if empty:
        yield pl.DataFrame(nanoarrow.Array.from_chunks([], schema))


def _checked(stream: _ArrowArrayStream, address: int, code: int) -> None:
    if code != 0:
        message = stream.get_last_error(address)
        text = message.decode(errors="replace") if message else f"the driver stopped with error {code}"
        raise StreamError(text, _sqlstate(address))


def _sqlstate(address: int) -> str:
    status = ctypes.c_uint8()
    error = _error_of_stream(address, ctypes.addressof(status))
    return error.contents.sqlstate.decode("ascii", errors="replace") if error else ""
