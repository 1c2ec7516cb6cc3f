"""Training slices of restoration: a good image, and a worse one made of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.intensity import (
    Normalisation,
    fit_normalisation,
    intensity_spec,
)
from napari_medsynth.errors import CardError
from napari_medsynth.io import Study, Volume
from napari_medsynth.simulate import (
    MODALITIES,
    degrade,
    degrade_volume,
    factor_of,
    present_volume,
    presented,
)
from napari_medsynth.training.config import TrainConfig

from .cache import SHARED, StackCache
from .samples import Images, Sample, Subject
from .simulated import SimulatedSlices
from .slices import RealSlices

_MARGIN = 16  # [coarse pixel] around a patch, so that its border is degraded like all
_TRIES, _MIN_SHARE, _FOREGROUND = 4, 0.1, -0.9
_N_VARIANTS, _N_KEPT = 4, 1024  # of slow degradations; slices
_SLOW = ("low-dose",)


def clean_card(card: ModelCard) -> ModelCard:
    """Give the card of whoever knows only the good image that `card` learns from."""
    return replace(card, inputs=card.outputs, scale=1)


class Degrader:
    """Makes pairs of a slice of good image, as the card of a model says.

    Parameters
    ----------
    card : ModelCard
        Its degradation, scale and unit.
    config : TrainConfig
        Its patch size: no more is degraded than is needed.

    Attributes
    ----------
    factor : tuple of int
        Rows and columns of a coarse pixel.
    """

    def __init__(self, card: ModelCard, config: TrainConfig) -> None:
        self._spec, self._scale = card.degradation, card.scale
        self.factor = factor_of(card.degradation)
        self._unit = unit_of(card)
        self._patch = config.patch_size
        self._kept: OrderedDict[Hashable, Images] = OrderedDict()
        self._lock = Lock()

    def pair(
        self,
        clean: Images,
        rng: np.random.Generator | None,
        *,
        pixel: float = 1.0,
        key: Hashable = None,
    ) -> Sample:
        """Give a sample of the worse image and the good one.

        Parameters
        ----------
        clean : ndarray
            float32, (H, W) in [-1, 1].
        rng : Generator or None
            None gives the same sample each time.
        pixel : float
            Size of the pixels [mm].
        key : hashable
            Of the slice. Of one with a key, slow degradations are drawn a few times
            and used again.
        """
        chance = np.random.default_rng(0) if rng is None else rng
        is_slow = self._spec["kind"] in _SLOW
        if rng is not None and self._patch and not is_slow:
            clean = self._window(clean, chance)
        clean = self._trimmed(clean)
        if is_slow and key is not None and rng is not None:
            variant = int(chance.integers(_N_VARIANTS))
            worse = self._remembered(clean, (key, variant), variant, pixel)
        else:
            worse = self._worse(clean, chance, pixel)
        images, truth = np.stack([worse, clean]), np.stack([clean, clean])
        return Sample(images, truth, np.ones(2, bool))

    def _worse(self, clean: Images, rng: np.random.Generator, pixel: float) -> Images:
        good = self._unit.inverse(clean)
        coarse = degrade(good, self._spec, rng, spacing=pixel)
        shown = presented(coarse, self._spec, scale=self._scale)
        return self._unit.forward(shown)

    def _remembered(
        self, clean: Images, key: Hashable, variant: int, pixel: float
    ) -> Images:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        worse = self._worse(clean, np.random.default_rng((17, variant)), pixel)
        with self._lock:
            self._kept[key] = worse
            while len(self._kept) > _N_KEPT:
                self._kept.popitem(last=False)
        return worse

    def _trimmed(self, clean: Images) -> Images:
        """Cut what does not fill a coarse pixel."""
        rows, columns = (
            n // f * f for n, f in zip(clean.shape, self.factor, strict=True)
        )
        return clean[:rows, :columns]

    def _window(self, clean: Images, rng: np.random.Generator) -> Images:
        """Cut a window around a random patch; not one of air if there are others."""
        sides = [
            min(n, (-(-self._patch // f) + 2 * _MARGIN) * f)
            for n, f in zip(clean.shape, self.factor, strict=True)
        ]
        for _ in range(_TRIES):
            top, left = (
                int(rng.integers(n - side + 1))
                for n, side in zip(clean.shape, sides, strict=True)
            )
            window = clean[top : top + sides[0], left : left + sides[1]]
            if (window > _FOREGROUND).mean() > _MIN_SHARE:
                break
        return window


class DegradedSlices:
    """Slices of one real subject, of whom only the good image exists.

    Parameters
    ----------
    subject : Subject
    card : ModelCard
        Of restoration.
    config : TrainConfig
        Slices are mirrored and cut, never moved or re-shaded: resampling would blur
        what is to be sharp.
    degrader : Degrader
        All subjects of a run may share it.
    cache : StackCache, optional
    """

    def __init__(
        self,
        subject: Subject,
        card: ModelCard,
        config: TrainConfig,
        degrader: Degrader,
        *,
        cache: StackCache = SHARED,
    ) -> None:
        still = replace(config, affine=0.0, intensity=0.0)
        self.name, self._degrader = subject.name, degrader
        self._slices = RealSlices(subject, clean_card(card), still, cache=cache)

    def indices(self, plane: str) -> NDArray[np.intp]:
        """Give the numbers of the slices that show more than background.

        None, where a slice is smaller than one coarse pixel.
        """
        if np.any(np.less(self._slices.size(plane), self._degrader.factor)):
            return np.empty(0, np.intp)
        return self._slices.indices(plane)

    def draw(self, plane: str, index: int, rng: np.random.Generator | None) -> Sample:
        """Give one slice, degraded anew; the same each time if `rng` is None."""
        clean = self._slices.draw(plane, index, None).truth[0]
        pixel, key = self._slices.pixel(plane), (self.name, plane, index)
        return self._degrader.pair(clean, rng, pixel=pixel, key=key)


class DegradedSimulations:
    """Slices of made-up heads without noise, and worse ones made of them.

    Parameters
    ----------
    card : ModelCard
        Its output is one of the contrasts that can be simulated, or "MR" or "image",
        which is any of them.
    simulated : SimulatedSlices
    degrader : Degrader

    Raises
    ------
    CardError
        If such images cannot be simulated.
    """

    def __init__(
        self, card: ModelCard, simulated: SimulatedSlices, degrader: Degrader
    ) -> None:
        wanted = card.outputs[0]
        self._contrasts = MODALITIES if wanted in ("MR", "image") else (wanted,)
        if not set(self._contrasts) <= set(MODALITIES):
            raise CardError(
                f"{wanted} cannot be simulated, only MR ({', '.join(MODALITIES)}): "
                "give scans to learn from, and no simulated_share."
            )
        self._simulated, self._degrader = simulated, degrader

    def draw(self, plane: str, rng: np.random.Generator) -> Sample:
        """Give a random slice of `plane`."""
        contrast = str(rng.choice(self._contrasts))
        clean = self._simulated.draw(plane, rng, (contrast,)).truth[0]
        return self._degrader.pair(clean, rng)


def degraded_study(study: Study, card: ModelCard) -> Study:
    """Add the worse image to a study of the good one, on the same fine grid.

    It is the same each time.

    Raises
    ------
    VolumeError
        If the volume is too small to be degraded.
    """
    good, plane = study[card.outputs[0]], card.planes[0]
    worse = degrade_volume(
        good, card.degradation, np.random.default_rng(0), plane=plane
    )
    shown = present_volume(worse, card, plane=plane)
    good = _trimmed_to(good, shown)
    shown = shown.with_data(shown.data, modality=card.inputs[0], name=card.inputs[0])
    volumes = {card.inputs[0]: shown, card.outputs[0]: good}
    return Study(volumes, subject=study.subject, notes=study.notes)


def _trimmed_to(volume: Volume, shown: Volume) -> Volume:
    """Cut what does not fill a coarse voxel; both start in the same corner."""
    box = tuple(slice(0, n) for n in shown.shape)
    return shown.with_data(
        volume.data[(slice(None), *box)],
        modality=volume.modality,
        name=volume.name,
        metadata=volume.metadata,
    )


def unit_of(card: ModelCard) -> Normalisation:
    """Give the unit that a slice of the good image is degraded in: HU, or [0, 1]."""
    spec = intensity_spec(card.intensity, card.outputs[0])
    if spec.get("kind") == "window":
        return fit_normalisation(np.zeros(1), spec)
    return Normalisation(0.0, 1.0)
