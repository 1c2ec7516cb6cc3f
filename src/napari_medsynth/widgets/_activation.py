"""What happens when napari first uses MedSynth, be it for a file or for a dock."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer


def on_activate(context: Any = None) -> None:
    """Show scans as radiologists do, and mark synthetic ones; npe2 calls this once.

    Without a viewer (a script that reads through npe2) there is nothing to do.
    """
    if "napari" not in sys.modules:
        return
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        return
    from qtpy.QtCore import QTimer

    # in the next turn: the camera imports scipy, and a file or dock is about to open
    QTimer.singleShot(0, partial(prepare_viewer, viewer))


def prepare_viewer(viewer: Viewer) -> None:
    """Attach the radiological camera and the notice on synthetic images, once."""
    from ._camera import attach_radiological_camera
    from ._notice import attach_synthetic_notice

    attach_radiological_camera(viewer)
    attach_synthetic_notice(viewer)
