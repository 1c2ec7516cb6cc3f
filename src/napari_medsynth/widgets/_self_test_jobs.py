"""Jobs of "At this site": local subjects, self-test and calibration; for a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from napari_medsynth.io import Study
from napari_medsynth.trust.calibration import save_calibration
from napari_medsynth.trust.site import SelfTest, forget_self_test, save_self_test

from ._torch import load_torch

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume
    from napari_medsynth.trust.local_cases import (
        Calibrated,
        CalibrationStep,
        LocalSubject,
    )
    from napari_medsynth.trust.self_test import SelfTestStep

    from ._request import Request
    from ._uncertainty_jobs import VariantSettings

OPEN_SUBJECT = "the open layers"


@dataclass(frozen=True, eq=False)
class Place:
    """Where local subjects are, as plain data.

    Parameters
    ----------
    folder : str
        Of a cohort; "" for the open layers.
    layers : mapping
        Contrast to what reads the volume of an open layer.
    """

    folder: str = ""
    layers: Mapping[str, Callable[[], Volume]] = field(default_factory=dict)

    def subjects(self, card: ModelCard) -> list[LocalSubject]:
        """List the subjects; voxels are read when their turn comes.

        Raises
        ------
        VolumeError
            If there is none with two contrasts of the model.
        """
        from napari_medsynth.trust.local_cases import LocalSubject

        if not self.folder:
            read = partial(_read_layers, dict(self.layers))
            return [LocalSubject(OPEN_SUBJECT, tuple(self.layers), read)]
        from napari_medsynth.training.data.cohort import find_subjects
        from napari_medsynth.training.data.samples import contrasts_of
        from napari_medsynth.training.job import DataConfig

        return [
            LocalSubject(
                one.name, tuple(one.files), partial(_read_files, one.files), one.person
            )
            for one in find_subjects(DataConfig(folder=self.folder), contrasts_of(card))
        ]


@dataclass(frozen=True)
class SelfTestTask:
    """What a self-test does.

    Parameters
    ----------
    card : ModelCard
    place : Place
    masks : str
        "leave one out" or "all".
    slices : int or None
        Of each subject; None for all.
    plane, device, precision : str
    """

    card: ModelCard
    place: Place
    masks: str
    slices: int | None
    plane: str
    device: str = "auto"
    precision: str = "auto"


def run_self_test(task: SelfTestTask) -> Generator[SelfTestStep | None, None, SelfTest]:
    """Hide what is there, make it again, compare; keep it, and give all that is kept.

    The problems are those of this run.

    Raises
    ------
    MedSynthError
        If no subject can be used, or it cannot be kept.
    """
    yield None
    load_torch()
    from napari_medsynth.trust.self_test import self_test

    subjects = task.place.subjects(task.card)
    yield None
    found = yield from self_test(
        [(one.name, partial(one.read, tuple(one.contrasts))) for one in subjects],
        task.card,
        masks=task.masks,
        plane=task.plane,
        slices=task.slices,
        device=task.device,
        precision=task.precision,
    )
    yield None  # if nobody wants it any more, it is not kept
    return save_self_test(task.card, found)


def forget(card: ModelCard) -> Generator[None, None, None]:
    """Forget the self-test of a model.

    Raises
    ------
    MedSynthError
        If the file cannot be written.
    """
    yield
    forget_self_test(card)


def calibrate(
    request: Request, settings: VariantSettings, place: Place, step: int
) -> Generator[CalibrationStep | None, None, Calibrated]:
    """Measure how wide intervals must be for what `request` makes, and keep it.

    `step`: every how many slices are run. Only contrasts and options of the request
    count, not its images.

    Raises
    ------
    MedSynthError
        If no subject can be used, or it cannot be kept.
    """
    yield None
    load_torch()
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.trust.local_cases import calibrate_on

    options, card = request.options, request.card
    subjects = place.subjects(card)
    yield None
    networks = [
        SliceNetwork(one, device=options.device, precision=options.precision)
        for one in (card, *settings.others)
    ]
    found = yield from calibrate_on(
        subjects,
        networks,
        targets=request.targets,
        sources=request.study.modalities,
        method=settings.method,
        n=settings.n,
        plane=options.plane,
        step=step,
    )
    yield None  # if nobody wants it any more, it is not kept
    for calibration in found.calibrations:
        save_calibration(card, calibration)
    return found


def _read_files(files: Mapping[str, str], contrasts: Sequence[str]) -> Study:
    from napari_medsynth.io import read_study

    return read_study({contrast: files[contrast] for contrast in contrasts})


def _read_layers(
    layers: Mapping[str, Callable[[], Volume]], contrasts: Sequence[str]
) -> Study:
    """Read open layers; the contrast is what the user says a layer is."""
    return Study({c: replace(layers[c](), modality=c) for c in contrasts})
