"""Load torch without stalling the window."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ._worker import start_worker


def load_torch() -> None:
    """Import the engine, and with it torch; for a worker thread.

    Importing torch holds the interpreter's lock while the system loads a library of
    hundreds of megabytes: a window waits 120 to 900 ms for it. A call through ctypes
    gives the lock away, so the library is loaded that way first (measured: 130 -> 22 ms
    longest gap; ``benchmarks/responsiveness.py``). The garbage collector, which holds
    the lock too and finds nothing in modules that are being born, waits meanwhile.
    """
    if "torch" not in sys.modules:
        _load_library()
    with no_collection():
        import napari_medsynth.engine  # noqa: F401


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector away from a large import in a worker thread."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def warm_up() -> None:
    """Load torch in the background, so that the first click need not wait for it."""
    if "torch" not in sys.modules:
        start_worker(_load_steps, slots={})


def _load_steps() -> Generator[None, None, None]:
    yield
    load_torch()


def _load_library() -> None:
    """Load torch's main library; where this is not possible, the import does it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None or sys.platform == "win32":
        return
    suffix = "dylib" if sys.platform == "darwin" else "so"
    library = Path(spec.origin).parent / "lib" / f"libtorch_python.{suffix}"
    if not library.is_file():
        return
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    dlopen(os.fsencode(library), os.RTLD_NOW)
