"""Path strengths, against the unfolded network taken apart by hand."""

from threading import Thread

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from explain.tiny_resvit import CARD, resvit
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError
from napari_medsynth.explain.paths import (
    PATHS,
    path_strengths,
    path_strengths_of,
    split_block,
)
from napari_medsynth.models.blocks import ARTBlock


@pytest.fixture
def prepared(pair):
    return prepare_study(pair, CARD)


def last_of(steps):
    done = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as stop:
            return done, stop.value


def by_hand(model, inputs):
    """Sizes of the four paths and the base of art_1, and of art_2, step by step."""
    with torch.no_grad():
        x = model.encoder_3(model.encoder_2(model.encoder_1(inputs)))
        art = model.art_1
        reduced = art.downsample(x)
        tokens = model.transformer_encoder(art.embeddings(reduced))
        context = art.upsample(tokens.transpose(1, 2).unflatten(2, reduced.shape[2:]))
        off = torch.zeros_like(x)

        def z(with_context, with_input):
            parts = [context if with_context else off, x if with_input else off]
            both = torch.cat(parts, 1)
            main = art.cc.block[1](art.cc.block[0](both)).relu()
            main = art.cc.block[4](art.cc.block[3](main))
            return (main + art.cc.skip[1](art.cc.skip[0](both))).relu()

        def c(with_context, with_input):
            return art.residual_cnn[0].conv_block(z(with_context, with_input))

        def averaged(f, player):
            """Mean marginal contribution over the two orders of joining."""
            alone = f(True, False) if player == "context" else f(False, True)
            rest = f(False, True) if player == "context" else f(True, False)
            return ((alone - f(False, False)) + (f(True, True) - rest)) / 2

        paths = {
            "input skip": averaged(z, "input"),
            "contextual": averaged(z, "context"),
            "local": averaged(c, "input"),
            "hybrid": averaged(c, "context"),
        }
        base = z(False, False) + c(False, False)
        y = art(x, model.transformer_encoder)
        assert_close(base + sum(paths.values()), y, rtol=1e-4, atol=1e-5)
        second = model.art_2.residual_cnn[0].conv_block
        plain = {"input skip": y, "local": second(y) - second(0 * y)}
    return (paths, base), (plain, second(0 * y))


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_strengths_equal_the_network_taken_apart(statistics, prepared):
    model = resvit(statistics)
    found = path_strengths(prepared, SliceNetwork(CARD, model=model), 2)
    assert [strength.block for strength in found] == ["art_1", "art_2"]
    expected = by_hand(model, prepared.inputs((2,)))
    for strength, (paths, base) in zip(found, expected, strict=True):
        sizes = {p: np.linalg.norm(t.detach().numpy()) for p, t in paths.items()}
        total, beneath = sum(sizes.values()), np.linalg.norm(base.detach().numpy())
        for path, size in sizes.items():
            assert strength.strengths[path] == pytest.approx(size / total, rel=1e-3)
        assert strength.base == pytest.approx(beneath / (total + beneath), rel=1e-3)


def test_another_slice_in_another_thread_changes_nothing(prepared, monkeypatch):
    network = SliceNetwork(CARD, model=resvit("batch"))
    alone = path_strengths(prepared, network, 2)
    run = SliceNetwork.__call__

    def together(self, inputs, on_attention=None):
        made = run(self, inputs, on_attention)
        other = Thread(target=run, args=(self, prepared.inputs((0,))))
        other.start()
        other.join()
        return made

    monkeypatch.setattr(SliceNetwork, "__call__", together)
    assert path_strengths(prepared, network, 2) == alone


def test_base_and_paths_sum_to_the_output():
    torch.manual_seed(0)
    block = ARTBlock(4, 8, token_grid=(2, 2)).eval()
    joined = torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        base, parts = split_block(block, joined)
        expected = block.residual_cnn(block.cc(joined))
    assert set(parts) == set(PATHS)
    assert_close(base + sum(parts.values()), expected)


def test_a_context_that_is_nothing_carries_nothing(prepared):
    model = resvit()
    model.art_1.upsample[4].weight.data.zero_()
    model.art_1.upsample[4].bias.data.zero_()
    first, _ = path_strengths(prepared, SliceNetwork(CARD, model=model), 0)
    assert first.strengths["contextual"] == first.strengths["hybrid"] == 0
    assert sum(first.strengths.values()) == pytest.approx(1)


def test_silent_convolutions_leave_the_skips(prepared):
    model = resvit()
    for block in (model.art_1, model.art_2):
        block.residual_cnn[0].conv_block[6].weight.data.zero_()
    found = path_strengths(prepared, SliceNetwork(CARD, model=model), 0)
    assert found[0].strengths["local"] == found[0].strengths["hybrid"] == 0
    assert found[1].strengths == {"input skip": 1, "local": 0}


def test_all_slices_but_the_empty_ones(pair, prepared):
    for volume in pair.volumes.values():
        volume.data[:, 1] = 0
    prepared = prepare_study(pair, CARD)
    network = SliceNetwork(CARD, model=resvit())
    done, found = last_of(path_strengths_of(prepared, network, (0, 1, 2)))
    assert done == [1, 2, 3]
    assert list(found) == [0, 2]
    assert found[2] == path_strengths(prepared, network, 2)


def test_a_network_that_moves_to_the_cpu_is_watched_there(prepared, monkeypatch):
    network = SliceNetwork(CARD, model=resvit())
    expected = path_strengths(prepared, network, 0)
    real = SliceNetwork.__call__

    def moving(self, inputs, on_attention=None):
        monkeypatch.setattr(SliceNetwork, "__call__", real)
        self._move_to(self.device, self.precision)
        return self(inputs, on_attention)

    monkeypatch.setattr(SliceNetwork, "__call__", moving)
    assert path_strengths(prepared, network, 0) == expected


def test_no_hooks_stay(prepared):
    network = SliceNetwork(CARD, model=resvit())
    path_strengths(prepared, network, 0)
    assert not any(m._forward_pre_hooks for m in network.network.modules())


def test_a_model_of_another_family_is_refused(prepared):
    with pytest.raises(CardError, match="choose a ResViT"):
        path_strengths(prepared, SliceNetwork(CARD, model=torch.nn.Conv2d(2, 1, 1)), 0)
