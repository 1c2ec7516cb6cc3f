"""The golden vectors of the published networks, and the recipe of their weights."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch


class Golden:
    """Golden vectors of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        spec = spec_from_file_location("golden_recipe", folder / "recipe.py")
        self.recipe = module_from_spec(spec)
        previous, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        spec.loader.exec_module(self.recipe)
        sys.dont_write_bytecode = previous

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{name}.npz") as file:
            return dict(file)

    def json(self, name: str) -> dict:
        return json.loads((self.folder / f"{name}.json").read_text())

    def keys(self, name: str) -> SimpleNamespace:
        """Official keys -> canonical keys, and canonical keys -> shapes."""
        listed = self.json(f"keys_{name}")
        return SimpleNamespace(
            canonical={key: entry["canonical"] for key, entry in listed.items()},
            shapes={e["canonical"]: tuple(e["shape"]) for e in listed.values()},
        )

    def image(self, channels: int) -> torch.Tensor:
        x = self.arrays(f"input_c{channels}")["x"]
        return torch.from_numpy(x.astype(np.float32))

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        return {
            key: torch.from_numpy(self.recipe.make(key, shape))
            for key, shape in self.keys(name).shapes.items()
        }


@pytest.fixture(scope="session")
def golden(shared: Path) -> Golden:
    folder = shared / "golden" / "resvit"
    if not folder.is_dir():
        pytest.skip(f"no golden vectors at {folder}")
    return Golden(folder)


class ZooGolden:
    """Golden vectors of a translation, super-resolution or denoising network.

    Attributes
    ----------
    meta : mapping
        Of the folder: gain, input, outputs with their tolerances, parameters.
    state : dict
        The recipe's weights under the official keys.
    arrays : dict
        Input ``x`` and the official outputs, tensors.
    """

    def __init__(self, folder: Path, recipe) -> None:
        self.meta, shapes, arrays = recipe.load_case(folder)
        weights = recipe.fill(shapes, self.meta["gain"])
        self.state = {key: torch.from_numpy(weights[key]) for key in shapes}
        self.arrays = {key: torch.from_numpy(array) for key, array in arrays.items()}

    def check(self, made: torch.Tensor, output: str = "y") -> None:
        """Compare with the official output to the tolerance of the folder."""
        expected = self.arrays[output]
        tolerance = self.meta["outputs"][output]["suggested_atol"]
        assert made.shape == expected.shape
        torch.testing.assert_close(made, expected, rtol=0, atol=tolerance)


@pytest.fixture(scope="session")
def zoo_recipe(shared):
    spec = spec_from_file_location(
        "zoo_recipe", shared / "golden" / "zoo_recipe" / "recipe.py"
    )
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def zoo_golden(shared, zoo_recipe):
    """Give the golden vectors of a folder by its name."""
    return lambda name: ZooGolden(shared / "golden" / name, zoo_recipe)


@pytest.fixture
def pairs():
    """Give n images (n, 1, side, side) of two contrasts of the same made-up tissues."""

    def make(n, side):
        draw = torch.Generator().manual_seed(0)
        coarse = torch.randint(0, 4, (n, 1, side // 4, side // 4), generator=draw)
        tissues = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
        noise = 0.02 * torch.randn(tissues.shape, generator=draw)
        first = torch.tensor([-1.0, -0.3, 0.3, 0.9])[tissues] + noise
        return first, torch.tensor([-1.0, 0.8, 0.1, -0.5])[tissues]

    return make
