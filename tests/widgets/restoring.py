"""Models whose results are known, for the restoration dock."""

from __future__ import annotations

from napari_medsynth.catalogue import ModelCard, build_model, models_folder, write_pack

FULL = {"*": {"kind": "percentile", "low": 0.0, "high": 100.0}}
SRCNN = {
    "family": "srcnn",
    "factory": "napari_medsynth.models.srcnn:SRCNN",
    "options": {"widths": [1, 1], "kernels": [3, 1, 1]},
    "value_range": (0.0, 1.0),
    "size_multiple": 1,
    "sha256": "cd" * 32,
}
FINER = ModelCard(
    id="finer",
    task="super-resolution",
    title="Finer",
    inputs=("low-resolution X-ray",),
    outputs=("X-ray",),
    intensity=FULL,
    degradation={"kind": "downsample", "factor": [2, 2], "method": "area"},
    **SRCNN,
)
THINNER = ModelCard(
    id="thinner",
    task="super-resolution",
    title="Thinner",
    inputs=("low-resolution MR",),
    outputs=("MR",),
    intensity=FULL,
    planes=("coronal", "sagittal"),
    degradation={"kind": "thick-slices", "factor": [3, 1], "noise": [0.0, 0.04]},
    **SRCNN,
)
CLEANER = ModelCard(
    id="cleaner",
    task="denoising",
    title="Cleaner",
    inputs=("low-dose CT",),
    outputs=("CT",),
    intensity={"*": {"kind": "window", "low": -1024, "high": 3072}},
    degradation={"kind": "low-dose", "dose": [0.1, 0.5]},
    **SRCNN,
)
RICIAN = ModelCard(
    id="rician",
    task="denoising",
    title="Rician",
    inputs=("noisy MR",),
    outputs=("MR",),
    intensity=FULL,
    degradation={"kind": "rician", "sigma": 0.07},
    **SRCNN,
)


def install(card: ModelCard, *, blurs: bool = False) -> ModelCard:
    """Write a pack whose network gives its input back, or the mean of 3 x 3 pixels."""
    weights = build_model(card).state_dict()
    for name, array in weights.items():
        array.zero_()
        if name.endswith("weight"):
            middle = array.shape[2] // 2
            array[0, 0, middle, middle] = 1
            if blurs and array.shape[2] == 3:
                array[...] = 1 / 9
    arrays = {name: array.numpy() for name, array in weights.items()}
    path = models_folder() / f"{card.id}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_pack(path, card, arrays).card
