"""Consistency: the sources, made back from the synthesis, against the real ones."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.engine import PLANES, fit_normalisation, predict
from napari_medsynth.engine.slices import slice_indices
from napari_medsynth.errors import CardError
from napari_medsynth.io import Study
from napari_medsynth.prepare import to_grid

from .advice import Quality, known_quality
from .scores import Scores, score
from .site import SelfTest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine import Progress
    from napari_medsynth.io import Volume


@dataclass(frozen=True, eq=False)
class Agreement:
    """One source made back from the synthesis, against the real one.

    Parameters
    ----------
    source : str
    scores : Scores
        Of the slices that were made.
    disagreement : Volume
        Made back minus real on the synthesis's grid, each scaled to [0, 1] by its own
        percentiles: -1 to 1, 0 on slices that were not made.
    usual : Quality, optional
        What the model reaches when it makes this source of a real image of the
        synthesis's contrast. Only what is worse than that speaks against the synthesis.
    """

    source: str
    scores: Scores
    disagreement: Volume
    usual: Quality | None = None


@dataclass(frozen=True, eq=False)
class Consistency:
    """What a synthesis kept of its sources.

    Parameters
    ----------
    target : str
        Contrast of the synthesis.
    agreements : mapping
        Source to `Agreement`.
    """

    target: str
    agreements: Mapping[str, Agreement]


def check_consistency(
    study: Study,
    card: ModelCard,
    synthesis: Volume,
    *,
    sources: Collection[str] | None = None,
    plane: str = "axial",
    slices: Sequence[int] | None = None,
    site: SelfTest | None = None,
    model: nn.Module | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Generator[Progress, None, Consistency]:
    """Make the sources back from a synthesis alone, and see where they disagree.

    Parameters
    ----------
    study : Study
        The real sources.
    card : ModelCard
        A model that makes them of the synthesis's contrast: the same one, if unified.
    synthesis : Volume
        With its modality.
    sources : collection of str, optional
        Which ones; by default all that the study has and the model makes.
    plane : {"axial", "coronal", "sagittal"}
    slices : sequence of int, optional
        Along the plane's axis of the synthesis; all by default.
    site : SelfTest, optional
        Knows what is usual here.
    model, device, precision
        As `predict`.

    Yields
    ------
    Progress
        As `predict`.

    Raises
    ------
    CardError
        If the model cannot go back.
    VolumeError
        If the images do not show the same field of view, or are too small to compare.

    Notes
    -----
    Disagreement tells of a synthesis that has lost what its sources show. Agreement
    does not tell that it is right: a synthesis is made of nothing but its sources, and
    often leads back to them better than the real image does [1]_.

    References
    ----------
    .. [1] C. Chu et al., "CycleGAN, a master of steganography", NIPS workshop on
       machine deception, 2017. https://arxiv.org/abs/1712.02950
    """
    target = synthesis.modality
    if sources is None:
        sources = [m for m in card.outputs if m in study and m != target]
    wanted = tuple(m for m in card.outputs if m in sources)
    if not target or not wanted or card.why_not((target,), wanted):
        raise CardError(
            f"{card.title} cannot make {', '.join(wanted) or 'a source'} back of "
            f"{target or 'an image of unknown contrast'} alone: choose a model that "
            "can."
        )
    together = Study({**{m: study[m] for m in wanted}, target: synthesis})
    together = to_grid(together, target)
    result = yield from predict(
        together,
        card,
        targets=wanted,
        sources=(target,),
        plane=plane,
        slices=slices,
        model=model,
        device=device,
        precision=precision,
    )
    indices = slice_indices(slices, synthesis.shape[PLANES[plane]])
    agreements = {}
    for source in wanted:
        made, real = result.volumes[source], together[source]
        agreements[source] = Agreement(
            source,
            score(made, real, plane, indices),
            _disagreement(made, real, plane, indices),
            known_quality(card, (target,), source, site),
        )
    return Consistency(target, agreements)


def _disagreement(
    made: Volume, real: Volume, plane: str, indices: Sequence[int]
) -> Volume:
    """Subtract slices that are scaled as `score` scales them."""
    axis, chosen = PLANES[plane], list(indices)
    difference = np.zeros(real.shape, np.float32)
    stacks = (np.moveaxis(v.data[0], axis, 0)[chosen] for v in (made, real))
    first, second = (_scaled(stack) for stack in stacks)
    np.moveaxis(difference, axis, 0)[chosen] = (first - second) / 2  # of [-1, 1]
    facts: dict[str, Any] = {
        "synthetic": True,  # of a model: no image of the patient
        "trust": "disagreement",
        "source": made.modality,
        "provenance": made.metadata.get("provenance", {}),
    }
    return made.with_data(
        difference[np.newaxis],
        modality="",
        name=f"disagreement {made.name}",
        metadata=facts,
    )


def _scaled(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    return fit_normalisation(stack, {"kind": "percentile"}).forward(stack)
