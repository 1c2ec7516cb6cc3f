"""What the demonstration shows: sources, truth, synthesis, difference, attention."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.io import Study, Volume

if TYPE_CHECKING:
    from napari_medsynth.engine import Progress

MODEL = "resvit-starter"
TARGET = "FLAIR"
ATTENTION = "rollout"


@dataclass(frozen=True, eq=False)
class Scene:
    """One finished demonstration.

    Parameters
    ----------
    sources : Study
        The contrasts that the model saw.
    truth, synthetic : Volume
        The contrast that was hidden, and what the model made of the others.
    difference : Volume
        Synthesis minus truth, each scaled to [0, 1] by its own percentiles.
    attention : mapping
        Low-resolution maps, by method and block.
    scores : mapping
        ``psnr`` [dB], ``ssim``, ``mae``, inside the head; see `engine.metrics.compare`.
    """

    sources: Study
    truth: Volume
    synthetic: Volume
    difference: Volume
    attention: Mapping[str, Volume]
    scores: Mapping[str, float]

    @property
    def best_slice(self) -> int:
        """Axial slice that shows the most of the head."""
        return int(np.argmax(np.count_nonzero(self.truth.data[0] > 0, axis=(1, 2))))

    def volumes(self) -> dict[str, Volume]:
        """Give all volumes by a file name without extension."""
        sources = {f"{m}_source": self.sources[m] for m in self.sources.modalities}
        return {
            **sources,
            f"{TARGET}_truth": self.truth,
            f"{TARGET}_synthetic": self.synthetic,
            f"{TARGET}_difference": self.difference,
            **{
                f"attention_{k.replace(' ', '_')}": v for k, v in self.attention.items()
            },
        }


def hidden_study() -> tuple[Study, Volume]:
    """Give the sample study without `TARGET`, and `TARGET`."""
    from napari_medsynth.simulate import sample_study

    study = sample_study()
    rest = {m: study[m] for m in study.modalities if m != TARGET}
    return Study(rest, subject=study.subject, notes=study.notes), study[TARGET]


def play(sources: Study, truth: Volume) -> Generator[Progress, None, Scene]:
    """Synthesise `TARGET` of `sources` with the starter model and compare it.

    Raises
    ------
    MedSynthError
        If the starter pack is damaged or the model cannot be run.
    """
    from napari_medsynth.catalogue import get_card
    from napari_medsynth.engine import predict

    result = yield from predict(
        sources, get_card(MODEL), targets=(TARGET,), attention=(ATTENTION,)
    )
    return measure(sources, truth, result.volumes[TARGET], result.attention)


def measure(
    sources: Study, truth: Volume, synthetic: Volume, attention: Mapping[str, Volume]
) -> Scene:
    """Compare a synthesis with the truth; `attention` goes into the scene as it is."""
    from napari_medsynth.engine import compare

    difference = _difference(synthetic, truth)
    scores = compare(synthetic, truth)
    return Scene(sources, truth, synthetic, difference, attention, scores)


def _difference(synthetic: Volume, truth: Volume) -> Volume:
    """Synthesis minus truth in the units of `compare`."""
    from napari_medsynth.engine import fit_normalisation

    spec = {"kind": "percentile"}
    a, b = (fit_normalisation(v.data, spec).forward(v.data) for v in (synthetic, truth))
    difference = np.asarray((a - b) / 2, dtype=np.float32)  # of [-1, 1] to shares
    return synthetic.with_data(difference, modality="", name="difference")
