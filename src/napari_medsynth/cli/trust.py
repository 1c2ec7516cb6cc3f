"""``medsynth trust``: contributions, self-test and consistency."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.errors import CardError
from napari_medsynth.trust.advice import advise
from napari_medsynth.trust.site import load_self_test, save_self_test

from ._console import say, say_json, show, warn
from ._inputs import parse_modality, parse_slices
from ._progress import follow_share
from ._trust_options import (
    AsJson,
    Device,
    Inputs,
    Model,
    Output,
    Overwrite,
    PlaneOption,
    Slices,
    check_output,
    read_subject,
    refuse_restoration,
    shown_to,
    write_maps,
)
from ._trust_words import (
    advice_sentence,
    consistency_rows,
    consistency_table,
    contribution_json,
    contribution_table,
    self_test_table,
    usual_sentences,
)
from .synthesize import Plane
from .trust_calibrate import calibrate
from .trust_uncertainty import uncertainty
from .words import WordsCommand

if TYPE_CHECKING:
    from napari_medsynth.engine import Progress
    from napari_medsynth.io import Study
    from napari_medsynth.trust.consistency import Consistency
    from napari_medsynth.trust.contribution import Contribution, ContributionStep
    from napari_medsynth.trust.self_test import SelfTestStep
    from napari_medsynth.trust.site import SelfTest

trust = typer.Typer(help="Find out how far to believe a model.", no_args_is_help=True)
trust.command("uncertainty", cls=WordsCommand)(uncertainty)
trust.command("calibrate", cls=WordsCommand)(calibrate)


@trust.command("contribution", cls=WordsCommand)
def contribution(
    inputs: Inputs,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="CONTRAST...",
            help="What is made; by default all that the model makes and is missing.",
        ),
    ] = None,
    model: Model = "starter",
    plane: PlaneOption = Plane.axial,
    slices: Slices = "all",
    device: Device = "auto",
    output: Output = None,
    json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Tell what each scan contributed to a synthesis, and which one more would help.

    The model is run with every subset of up to four scans (Shapley values). With -o,
    maps of the contributions and of what changes without each scan are written.

    [bold]Example[/]

    medsynth trust contribution -i T1=a.nii.gz T2=b.nii.gz -t FLAIR --slices 60:80
    """
    card, indices = get_card(model), parse_slices(slices)
    targets = [parse_modality(word) for word in target or ()] or None
    check_output(output, ("contribution_*", "change_*"), overwrite)
    study = read_subject(inputs)

    from napari_medsynth.engine.prepared import prepare_study
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.trust.contribution import contributions

    study = shown_to(card, study, plane.value)
    prepared = prepare_study(study, card, targets=targets, plane=plane.value)
    steps = contributions(prepared, SliceNetwork(card, device=device), indices)
    found: Contribution = follow_share(steps, "contributions", _contribution_share)
    warn(found.notes)
    site = load_self_test(card)
    advice = {t: advise(card, prepared.available, t, site) for t in prepared.targets}
    maps = {
        f"{kind}_{source}-in-{made}_{card.id}.nii.gz": volume
        for kind, volumes in (
            ("contribution", found.volumes),
            ("change", found.changes),
        )
        for (made, source), volume in volumes.items()
    }
    paths = write_maps(maps, output)
    if json:
        say_json(contribution_json(found, advice, paths))
        return
    show(contribution_table(found))
    for made, gains in advice.items():
        for gain in gains:
            say(advice_sentence(made, gain))


@trust.command("self-test")
def self_test(
    folder: Annotated[
        Path,
        typer.Argument(exists=True, file_okay=False, help="One subject, or a cohort."),
    ],
    model: Model = "starter",
    every_mask: Annotated[
        bool,
        typer.Option("--every-mask", help="Try every subset, not only all but one."),
    ] = False,
    plane: PlaneOption = Plane.axial,
    slices: Annotated[
        int | None,
        typer.Option(min=1, help="Slices per subject, from its middle; default all."),
    ] = None,
    device: Device = "auto",
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep it for later results.")
    ] = True,
    json: AsJson = False,
) -> None:
    """Hide each contrast that subjects have, make it of the others, and compare.

    What is kept names no patient; later results of the model show it beside them.

    [bold]Example[/]

    medsynth trust self-test cohort/ --slices 20
    """
    card = get_card(model)
    refuse_restoration(card, "the self-test")
    if save and not card.sha256:
        raise CardError(f"{card.title} has no weights; nothing can be kept of it.")

    from napari_medsynth.trust import self_test as core

    steps = core.self_test(
        _subjects(folder, card),
        card,
        masks=core.ALL if every_mask else core.LEAVE_ONE_OUT,
        plane=plane.value,
        slices=slices,
        device=device,
    )
    test: SelfTest = follow_share(steps, "self-test", _self_test_share)
    warn(test.problems)
    if save:
        save_self_test(card, test)
    if json:
        say_json(test.to_json())
    else:
        show(self_test_table(test))


@trust.command("consistency", cls=WordsCommand)
def consistency(
    inputs: Inputs,
    synthesis: Annotated[
        Path,
        typer.Option("--synthesis", "-s", exists=True, help="The synthetic image."),
    ],
    model: Model = "starter",
    plane: PlaneOption = Plane.axial,
    slices: Slices = "all",
    device: Device = "auto",
    output: Output = None,
    json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Make the scans back from a synthesis, and tell how far they agree.

    [bold]Example[/]

    medsynth trust consistency -i T1=a.nii.gz T2=b.nii.gz -s out/FLAIR_synthetic.nii.gz
    """
    card, indices = get_card(model), parse_slices(slices)
    refuse_restoration(card, "consistency")
    check_output(output, ("disagreement_*",), overwrite)
    study = read_subject(inputs)

    from napari_medsynth.io import read_volume
    from napari_medsynth.trust.consistency import check_consistency

    steps = check_consistency(
        study,
        card,
        read_volume(synthesis),
        plane=plane.value,
        slices=indices,
        site=load_self_test(card),
        device=device,
    )
    found: Consistency = follow_share(steps, "consistency", _progress_share)
    maps = {
        f"disagreement_{source}-of-{found.target}_{card.id}.nii.gz": one.disagreement
        for source, one in found.agreements.items()
    }
    paths = write_maps(maps, output)
    if json:
        say_json({"rows": consistency_rows(found), "paths": paths})
    else:
        show(consistency_table(found))
        for sentence in usual_sentences(found):
            say(sentence)


def _subjects(folder: Path, card: ModelCard) -> list[tuple[str, Callable[[], Study]]]:
    """Find subjects as fine-tuning does; each is read when its turn comes."""
    from functools import partial

    from napari_medsynth.io import read_study
    from napari_medsynth.training.data.cohort import find_subjects
    from napari_medsynth.training.job import DataConfig

    contrasts = tuple(dict.fromkeys((*card.inputs, *card.outputs)))
    found = find_subjects(DataConfig(folder=str(folder)), contrasts)
    return [(one.name, partial(read_study, dict(one.files))) for one in found]


def _contribution_share(step: ContributionStep) -> tuple[float, str]:
    return step.done / step.total, ""


def _self_test_share(step: SelfTestStep) -> tuple[float, str]:
    return step.share, f"subject {step.subject}/{step.n_subjects}: {step.sentence}"


def _progress_share(step: Progress) -> tuple[float, str]:
    return step.done / step.total, step.message
