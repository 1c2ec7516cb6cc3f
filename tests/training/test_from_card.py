"""Jobs made of cards: recipes, changes, and what is refused."""

from __future__ import annotations

import pytest

from napari_medsynth.catalogue import list_cards
from napari_medsynth.errors import CardError
from napari_medsynth.training import TrainJob, job_from_card
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.check_recipe import check_recipe
from napari_medsynth.training.from_card import STEPS_PER_EPOCH
from napari_medsynth.training.learner import learning_rate

BLUEPRINTS = [card for card in list_cards(blueprints=True) if not card.is_trained]


def job_of(card_id: str, **options) -> TrainJob:
    data = {"folder": "scans"} if "simulated_share" not in options else {}
    return job_from_card(card_id, id="mine", title="Mine", **data, **options)


@pytest.mark.parametrize("card", BLUEPRINTS, ids=lambda card: card.id)
def test_the_job_of_each_blueprint_is_accepted(card):
    changes = {"perceptual_weight": 0.0}  # needs VGG's weights, which are not here
    if card.recipe.get("perceptual_weight"):
        changes["l1_weight"] = 1.0

    job = job_of(card.id, changes=changes)

    for name, value in {**card.recipe, **changes}.items():
        assert getattr(job.learn, name) == value
    is_cycle = card.recipe.get("objective") == "cycle"
    assert job.data.pairing == ("unpaired" if is_cycle else "paired")
    made = fresh_card(job, job.network)
    assert (made.inputs, made.outputs) == (card.inputs, card.outputs)
    assert made.planes == card.planes
    assert made.id == "mine"
    check_recipe(job.learn, made)


def test_contrasts_and_settings_may_be_others():
    job = job_of(
        "resvit-starter",
        inputs=["T1", "T2"],
        changes={"epochs": 3, "learning_rate": 1e-3},
    )

    made = fresh_card(job, job.network)
    assert made.inputs == made.outputs == ("T1", "T2")
    assert made.options["in_channels"] == 2
    assert (job.learn.epochs, job.learn.learning_rate) == (3, 1e-3)


@pytest.mark.parametrize(
    ("card", "changes", "name", "expected"),
    [
        ("pix2pix", {"epochs": 4}, "decay_epochs", 2),
        ("pix2pix", {"epochs": 1}, "decay_epochs", 0),
        ("pix2pix", {"epochs": 4, "decay_epochs": 3}, "decay_epochs", 3),
        ("pix2pix", {"batch_size": 4}, "decay_epochs", 100),
        ("edsr-x2", {"epochs": 3}, "step_epochs", 2),
        ("edsr-x2", {"epochs": 1}, "step_epochs", 1),
    ],
)
def test_the_rate_of_a_shorter_training_falls_in_proportion(
    card, changes, name, expected
):
    learn = job_of(card, changes=changes).learn

    assert getattr(learn, name) == expected
    rates = [
        learning_rate(epoch, learn, n_steps=learn.epochs, steps_per_epoch=1)
        for epoch in range(learn.epochs)
    ]
    if "decay_epochs" not in changes:
        assert max(rates) == learn.learning_rate


@pytest.mark.parametrize("card", ["srgan-x4", "wganvgg", "staged-gan-x4"])
def test_without_its_only_content_loss_a_recipe_is_refused(card):
    job = job_of(card, changes={"perceptual_weight": 0.0})
    with pytest.raises(CardError, match="set l1_weight to 1"):
        check_recipe(job.learn, fresh_card(job, job.network))


def test_a_rate_that_would_never_be_full_is_refused():
    job = job_of("pix2pix", changes={"epochs": 4, "decay_epochs": 5})
    with pytest.raises(CardError, match="never be full"):
        check_recipe(job.learn, fresh_card(job, job.network))


def test_an_epoch_of_simulated_images_has_a_length():
    job = job_of("resvit-starter", simulated_share=1.0)
    assert job.learn.steps_per_epoch == STEPS_PER_EPOCH
    job = job_of("resvit-starter", simulated_share=1.0, changes={"steps_per_epoch": 7})
    assert job.learn.steps_per_epoch == 7


@pytest.mark.parametrize(
    ("card", "options", "words"),
    [
        ("nothing-like-it", {}, "nothing-like-it"),
        ("resvit-starter", {"inputs": ["T1"], "outputs": ["T2"]}, "equal inputs"),
        ("srcnn", {"inputs": ["a", "b"]}, "one input and one output"),
        ("srcnn", {"inputs": ["image"]}, "image cannot be both"),
        ("srcnn", {"changes": {"epoch": 3}}, "is it epochs?"),
        ("srcnn", {"changes": {"epochs": "many"}}, "epochs: it should be"),
        (
            "resvit-starter",
            {"simulated_share": 1.0, "inputs": ["T1", "CT"]},
            "CT cannot be simulated, only T1, T2, PD, FLAIR",
        ),
    ],
)
def test_what_does_not_suit_a_card_is_said(card, options, words):
    with pytest.raises(CardError) as error:
        job_of(card, **options)
    assert words in str(error.value)
    assert str(error.value).count(". ") <= 1


def test_without_data_there_is_no_job():
    with pytest.raises(CardError, match="needs data"):
        job_from_card("srcnn", id="mine", title="Mine")
