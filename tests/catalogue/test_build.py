from dataclasses import replace

import pytest

from napari_medsynth.catalogue import build_model
from napari_medsynth.errors import CardError

SMALL = {
    "in_channels": 1,
    "out_channels": 1,
    "width": 4,
    "n_blocks": 2,
    "transformer_blocks": [],
}


def test_card_becomes_its_network(card):
    model = build_model(replace(card, options=SMALL))

    assert type(model).__name__ == "ResViT"


@pytest.mark.parametrize(
    "factory",
    [
        "os:system",
        "napari_medsynth.catalogue.pack:write_pack",
        "napari_medsynth.models.no_such:Net",
        "napari_medsynth.models.resvit:NoSuch",
        "napari_medsynth.models.resvit:Tensor",
        "napari_medsynth.models.resvit",
        "no_such_package.module:Net",
        "",
    ],
)
def test_unknown_factory_is_one_sentence(card, factory):
    with pytest.raises(CardError) as caught:
        build_model(replace(card, factory=factory))

    assert card.id in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_options_name_the_factory(card):
    with pytest.raises(CardError, match=r"ResViT does not take its options"):
        build_model(replace(card, options={"colour": "blue"}))


def test_provider_may_bring_its_own_network(card, provider):
    provider("nets", "from torch import nn\nclass Net(nn.Linear): pass")
    options = {"in_features": 2, "out_features": 3}
    card = replace(card, factory="nets_cards:Net", options=options)

    assert build_model(card).out_features == 3
