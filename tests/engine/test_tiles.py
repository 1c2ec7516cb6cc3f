import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from napari_medsynth.engine.tiles import run_tiled, smaller_tile, tile_side, tiled
from napari_medsynth.errors import EngineError


class Local(nn.Module):
    """Three 5 x 5 convolutions: a pixel depends on those up to 6 pixels away."""

    reach = 6

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        convs = [nn.Conv2d(a, b, 5, padding=2) for a, b in ((1, 6), (6, 6), (6, 2))]
        self.body = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])
        self.sizes = []

    @torch.inference_mode()
    def forward(self, image):
        self.sizes.append(tuple(image.shape))
        return self.body(image)


class Global(nn.Module):
    """Each pixel minus the mean of all that it was shown with."""

    def forward(self, image):
        return image - image.mean((2, 3), keepdim=True)


@pytest.fixture
def image():
    torch.manual_seed(0)
    return torch.rand(2, 1, 97, 130) * 2 - 1


def steepness(image, rows):
    """Mean difference of neighbouring rows: at these rows, and elsewhere."""
    steps = image.diff(dim=2).abs().mean((0, 1, 3))
    chosen = torch.zeros(len(steps), dtype=torch.bool)
    chosen[rows] = True
    return steps[chosen].mean().item(), steps[~chosen].mean().item()


@pytest.mark.parametrize("overlap", [16, 21])
def test_tiles_give_what_the_whole_image_gives(image, overlap):
    network = Local()
    assert network.reach <= overlap * 3 / 8
    made = run_tiled(network, image, tile=48, overlap=overlap)

    assert made.shape == (2, 2, 97, 130)
    assert_close(made, network(image), rtol=0, atol=1e-5)
    assert not made.is_inference()  # can be worked with


def test_a_receptive_field_as_wide_as_the_overlap_is_nearly_enough(image):
    network = Local()
    whole = network(image)
    made = run_tiled(network, image, tile=48, overlap=2 * network.reach + 1)

    assert (made - whole).abs().max() < 0.02 * whole.abs().max()


def test_too_small_an_overlap_would_be_noticed(image):
    network = Local()
    made = run_tiled(network, image, tile=48, overlap=2)

    assert (made - network(image)).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "scale"),
    [
        ((40, 40), 16, 0, 1),
        ((40, 41), 16, 6, 1),
        ((33, 97), 32, 15, 1),
        ((64, 20), 20, 8, 4),
        ((100, 36), 17, 7, 2),
        ((17, 200), 16, 15, 1),
    ],
)
def test_every_pixel_is_covered_once_in_sum(size, tile, overlap, scale):
    seen = []

    def ones(image):
        seen.append(image)
        return torch.ones_like(image)

    places = torch.arange(size[0] * size[1]).float().reshape(1, 1, *size)
    made = run_tiled(ones, places, tile=tile, overlap=overlap, scale=scale)

    assert_close(made, torch.ones(1, 1, *size))
    assert {n for part in seen for n in part.flatten().tolist()} == set(
        range(size[0] * size[1])
    )
    for part in seen:
        first = int(part[0, 0, 0, 0])
        assert max(part.shape) <= tile
        assert (first // size[1]) % scale == 0
        assert (first % size[1]) % scale == 0


def test_steps_between_tiles_are_hidden(image):
    """A network of means differs from tile to tile: a hard border would be a seam."""
    smooth = torch.linspace(-1, 1, 97)[:, None].expand(1, 1, 97, 130).contiguous()
    # Tiles of 48 that share 24: rows 0-47, 24-71, 48-95, 49-96; borders in the middle.
    borders = [35, 59]
    faded = run_tiled(Global(), smooth, tile=48, overlap=24)
    cut = torch.cat([Global()(part) for part in smooth.split(36, dim=2)], dim=2)

    at_seam, elsewhere = steepness(faded, borders)
    at_cut, _ = steepness(cut, [35, 71])
    assert at_cut > 10 * elsewhere
    assert at_seam < at_cut / 5


def test_a_local_network_leaves_no_seam(image):
    made = run_tiled(Local(), image, tile=32, overlap=16)
    at_seam, elsewhere = steepness(made, [23, 39, 55, 71])

    assert at_seam == pytest.approx(elsewhere, rel=0.15)


def test_a_small_image_is_run_whole(image):
    network = Local()
    run_tiled(network, image, tile=130, overlap=16)

    assert network.sizes == [(2, 1, 97, 130)]


class Allocations(TorchDispatchMode):
    """Notes the memory behind each tensor that an operation gives: address, bytes."""

    def __init__(self):
        super().__init__()
        self.blocks = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            block = made.untyped_storage()
            self.blocks.add((block.data_ptr(), block.nbytes()))
        return made


def test_only_the_result_is_as_large_as_the_image():
    network, side = Local(), 64
    radiograph = torch.zeros(1, 1, 512, 640)
    with Allocations() as watch:
        made = run_tiled(network, radiograph, tile=side, overlap=16)

    assert {size[2:] for size in network.sizes} == {(side, side)}
    channels, byte = 6, 4  # of the network; of a float32
    large = {block for block in watch.blocks if block[1] > channels * side**2 * byte}
    whole = [one.untyped_storage() for one in (radiograph, made)]
    assert large == {(one.data_ptr(), one.nbytes()) for one in whole}


def test_each_tile_is_told_but_the_last(image):
    steps = list(tiled(Local(), image, tile=97, overlap=32))

    assert steps == [(1, 2)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tile": 16, "overlap": 16}, "larger than the overlap"),
        ({"tile": 32, "overlap": 8, "scale": 2}, "multiples of 2"),
    ],
)
def test_impossible_tiles_are_refused(image, settings, words):
    with pytest.raises(ValueError, match=words):
        run_tiled(Local(), image, **settings)


def test_a_network_that_changes_the_size_is_refused(image):
    with pytest.raises(EngineError, match="keep the size"):
        run_tiled(nn.MaxPool2d(2), image, tile=32, overlap=8)


def test_a_tile_is_a_multiple_and_larger_than_its_overlap():
    assert tile_side(100, 16, 8) == 96
    assert tile_side(16, 32, 8) == 64
    assert tile_side(128, 148, 2) == 296  # not 902500 tiles of a radiograph
    assert tile_side(1, 0, 4) == 4


def test_tiles_are_halved_as_long_as_half_of_them_is_their_own():
    assert smaller_tile(256, 32, 8) == 128
    assert smaller_tile(128, 32, 8) == 64
    assert smaller_tile(64, 32, 8) == 0
    assert smaller_tile(0, 0, 1) == 0
