"""Where the files of ``resources/`` are: in the wheel or beside ``src``."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "_resources"
_CHECKOUT = _PACKAGE.parents[1] / "resources"


def resource(*parts: str) -> Path:
    """Give the path of one file or folder of ``resources/``.

    Raises
    ------
    FileNotFoundError
        If it is not there: the installation is damaged.
    """
    root = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    path = root.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(
            f"{'/'.join(parts)} is missing from the resources of napari-medsynth: "
            "install the package again."
        )
    return path
