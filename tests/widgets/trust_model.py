"""A model of which it is known what each scan contributes: a weighted sum of them."""

from __future__ import annotations

import threading

import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.widgets._session import Session

CONTRASTS = ("T1", "T2", "PD", "FLAIR")
WEIGHTS = {"T1": 0.5, "T2": 0.25, "PD": 0.0, "FLAIR": 0.1}
CARD = ModelCard(
    id="mixer",
    family="resvit",
    task="synthesis",
    title="Mixer",
    factory="tests:Mixer",
    inputs=CONTRASTS,
    outputs=CONTRASTS,
    is_unified=True,
    size_multiple=8,
    sha256="abcdef" + "0" * 58,
    quality=(
        {"data": "real", "available": "T1", "target": "FLAIR", "psnr": 20, "ssim": 0.8},
        {
            "data": "real",
            "available": "T1+T2",
            "target": "FLAIR",
            "psnr": 21.5,
            "ssim": 0.85,
        },
    ),
)


class Mixer(nn.Module):
    """Every output is the sum of `WEIGHTS` times the inputs; waits for `go`."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(list(WEIGHTS.values())))
        self.n_runs = 0
        self.go = threading.Event()
        self.go.set()

    def forward(self, image):
        self.go.wait(10)
        self.n_runs += len(image)
        mixed = torch.einsum("i,nihw->nhw", self.weight[: image.shape[1]], image)
        return mixed[:, None].expand_as(image)

    def __deepcopy__(self, memo):  # made ready is copied: keep looking at this one
        return self


class MixerSession(Session):
    """A session whose networks are all `Mixer`."""

    def __init__(self):
        super().__init__()
        self.mixer = Mixer()

    def model(self, request):
        prepared = prepare_study(
            request.study,
            request.card,
            targets=request.targets,
            sources=request.study.modalities,
            plane=request.options.plane,
        )
        return prepared, SliceNetwork(request.card, model=self.mixer)
