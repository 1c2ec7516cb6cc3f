import json
import logging

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import Progress, batches, network, predict, slice_network
from napari_medsynth.engine import predict as predict_function
from napari_medsynth.errors import (
    CardError,
    DeviceMemoryError,
    EngineError,
    VolumeError,
)
from napari_medsynth.io import Study, Volume
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.models.resvit import ResViT

NAMES = ("T1", "T2", "PD", "FLAIR")
UNIFIED = ModelCard(
    id="copy",
    family="resvit",
    task="synthesis",
    title="Copy",
    factory="tests:Copy",
    inputs=NAMES,
    outputs=NAMES,
    is_unified=True,
    intensity={"*": {"kind": "percentile", "low": 0, "high": 100}},
)


def card_like(**changes):
    return ModelCard.from_json(UNIFIED.to_json() | changes)


class Copy(nn.Module):
    """Every output is input channel 0; remembers what it was shown."""

    def __init__(self, n_outputs=4):
        super().__init__()
        self.n_outputs = n_outputs
        self.shown = []

    def forward(self, image):
        self.shown.append(image.clone())
        return image[:, :1].expand(-1, self.n_outputs, -1, -1)


class Failing(Copy):
    """Fails with `error` for batches above `largest` slices."""

    def __init__(self, error, largest=0):
        super().__init__()
        self.error = error
        self.largest = largest

    def forward(self, image):
        if len(image) > self.largest:
            raise self.error
        return super().forward(image)


def run(*args, **kwargs):
    """Exhaust predict; give its steps and its result."""
    generator, steps = predict(*args, **kwargs), []
    while True:
        try:
            steps.append(next(generator))
        except StopIteration as stop:
            return steps, stop.value


@pytest.fixture
def t1(rng):
    """Odd sides, nowhere empty."""
    data = rng.uniform(50, 900, (1, 5, 23, 37)).astype(np.float32)
    return Volume(
        data,
        spacing=(3.0, 0.9, 1.1),
        origin=(1.0, -2.0, 3.0),
        modality="T1",
        name="a T1",
    )


@pytest.fixture
def only_t1(t1):
    return Study({"T1": t1})


# --- geometry and intensities -------------------------------------------------------


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_copied_source_comes_back_on_its_grid_in_its_unit(plane, only_t1, t1):
    _, result = run(only_t1, UNIFIED, targets=["FLAIR"], plane=plane, model=Copy())

    flair = result.volumes["FLAIR"]
    np.testing.assert_allclose(flair.data, t1.data, atol=0.01)
    assert flair.data.dtype == np.float32
    assert (flair.spacing, flair.origin) == (t1.spacing, t1.origin)
    assert flair.orientation == t1.orientation
    assert flair.modality == "FLAIR"


def test_targets_are_all_that_the_study_lacks(only_t1):
    _, result = run(only_t1, UNIFIED, model=Copy())

    assert tuple(result.volumes) == ("T2", "PD", "FLAIR")


def test_the_network_gets_slices_padded_with_background(only_t1):
    model = Copy()
    run(only_t1, UNIFIED, targets=["T2"], slices=2, model=model)

    (image,) = model.shown
    assert image.shape == (1, 4, 32, 48)
    top, left = (32 - 23) // 2, (48 - 37) // 2
    outside = torch.ones(32, 48, dtype=torch.bool)
    outside[top : top + 23, left : left + 37] = False
    assert torch.all(image[0, 0][outside] == -1)
    assert image[0, 0][~outside].mean() > -0.5


def smooth(shape, spacing):
    """A volume of waves of 80 mm, equal at every resolution."""
    mm = [(np.arange(n) + 0.5) * s for n, s in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*mm, indexing="ij")
    waves = np.cos(2 * np.pi * y / 80) * np.cos(2 * np.pi * x / 80) + 0 * z
    return Volume((500 + 300 * waves)[np.newaxis].astype(np.float32), spacing=spacing)


@pytest.mark.parametrize("pixel", [0.5, 3.0])
def test_slices_are_resampled_to_the_cards_spacing_and_back(pixel):
    volume = smooth((2, 61, 50), (4.0, pixel, pixel))
    model = Copy()
    card = card_like(spacing=1.0)
    _, result = run(Study({"T1": volume}), card, targets=["T2"], model=model)

    height, width = round(61 * pixel), round(50 * pixel)
    assert model.shown[0].shape[2:] == (-(-height // 16) * 16, -(-width // 16) * 16)
    error = np.abs(result.volumes["T2"].data - volume.data)[:, :, 2:-2, 2:-2]
    assert error.max() < 10  # of 600


def test_a_spacing_within_a_fifth_is_left_alone(only_t1, t1):
    model = Copy()
    run(only_t1, card_like(spacing=1.0), targets=["T2"], slices=0, model=model)

    assert model.shown[0].shape[2:] == (32, 48)


def test_a_ct_target_gets_its_window(only_t1):
    card = card_like(
        inputs=("T1",),
        outputs=("CT",),
        is_unified=False,
        intensity={"CT": {"kind": "window", "low": -1000, "high": 1000}},
    )
    _, result = run(only_t1, card, model=Copy(1))

    ct = result.volumes["CT"].data
    assert ct.min() == pytest.approx(-1000)
    assert ct.max() == pytest.approx(1000)


def test_an_mr_target_of_a_ct_source_gets_arbitrary_units(t1):
    card = card_like(
        inputs=("CT",),
        outputs=("T1",),
        is_unified=False,
        intensity={"CT": {"kind": "window", "low": 0, "high": 1000}},
    )
    _, result = run(Study({"CT": t1}), card, model=Copy(1))

    np.testing.assert_allclose(result.volumes["T1"].data, t1.data, atol=0.01)


def test_other_grids_are_resampled_to_the_first_source(t1):
    fine = smooth((8, 60, 80), (2.0, 0.5, 0.5))
    study = Study({"T1": smooth((4, 30, 40), (4.0, 1.0, 1.0)), "T2": fine})
    model = Copy()
    _, result = run(study, UNIFIED, targets=["PD"], model=model)

    shown = model.shown[0][0, :2]
    assert result.volumes["PD"].shape == (4, 30, 40)
    assert torch.allclose(shown[0], shown[1], atol=0.15)
    assert any("T2 resampled" in note for note in result.provenance["notes"])


def test_voxels_that_are_not_numbers_become_background(only_t1, t1):
    t1.data[0, 2, 10, 11:14] = np.nan, np.inf, -np.inf
    model = Copy()
    _, result = run(only_t1, UNIFIED, targets=["T2"], model=model)

    made = result.volumes["T2"].data
    assert np.isfinite(made).all()
    assert made[0, 2, 10, 11] == made[0, 2, 10, 13] == made.min()
    assert all(torch.isfinite(image).all() for image in model.shown)


def test_a_network_that_gives_nan_gives_background(only_t1):
    class Broken(Copy):
        def forward(self, image):
            return super().forward(image) * torch.nan

    _, result = run(only_t1, UNIFIED, targets=["T2"], model=Broken())

    assert np.isfinite(result.volumes["T2"].data).all()


# --- masks ----------------------------------------------------------------------------


def test_missing_contrasts_are_exactly_the_missing_value(study):
    model = Copy()
    pair = Study({name: study[name] for name in ("T1", "PD")})
    run(pair, card_like(spacing=2.0), targets=["FLAIR"], model=model)

    for image in model.shown:
        assert torch.all(image[:, [1, 3]] == -1)
        assert torch.any(image[:, 0] != -1)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_another_missing_value_fills_the_padding_too(value, only_t1):
    model = Copy()
    run(only_t1, card_like(missing_value=value), targets=["T2"], model=model)

    assert torch.all(model.shown[0][:, 1:] == value)


def test_the_truth_of_a_target_never_reaches_the_network(study):
    model = Copy()
    run(study, UNIFIED, targets=["FLAIR"], model=model)
    poisoned = dict(study.volumes)
    poisoned["FLAIR"] = study["FLAIR"].with_data(study["FLAIR"].data * 0 + 777)
    _, result = run(Study(poisoned), UNIFIED, targets=["FLAIR"], model=model)

    assert all(torch.all(image[:, 3] == -1) for image in model.shown)
    assert "FLAIR" not in result.provenance["sources"]


def test_sources_can_be_chosen(study):
    model = Copy()
    _, result = run(study, UNIFIED, targets=["PD"], sources=["T2", "PD"], model=model)

    assert list(result.provenance["sources"]) == ["T2"]
    assert torch.all(model.shown[0][:, [0, 2, 3]] == -1)


def test_empty_slices_do_not_reach_the_network(volume):
    data = volume.data.copy()
    data[:, :2] = data[:, 5:] = 0
    model = Copy()
    steps, result = run(
        Study({"T1": volume.with_data(data)}), UNIFIED, targets=["T2"], model=model
    )

    assert sum(len(image) for image in model.shown) == 3
    assert sum(len(step.slices) for step in steps) == 6
    assert np.all(result.volumes["T2"].data[:, :2] == 0)


# --- slices and progress --------------------------------------------------------------


def test_progress_covers_every_slice_once(only_t1, t1):
    steps, result = run(only_t1, UNIFIED, targets=["T2", "PD"], model=Copy())

    assert [step.done for step in steps] == [0, 1, 3, 5]
    assert [i for step in steps for i in step.slices] == [0, 1, 2, 3, 4]
    for step in steps:
        assert step.total == 5
        for name, images in step.partial.items():
            expected = result.volumes[name].data[0, list(step.slices)]
            np.testing.assert_array_equal(images, expected)


def test_one_slice_leaves_the_rest_background(only_t1, t1):
    steps, result = run(
        only_t1, UNIFIED, targets=["T2"], plane="coronal", slices=7, model=Copy()
    )

    made = result.volumes["T2"].data
    assert steps[-1].slices == (7,)
    assert steps[-1].partial["T2"].shape == (1, 5, 37)
    np.testing.assert_allclose(made[0, :, 7], t1.data[0, :, 7], atol=0.01)
    others = np.delete(made[0], 7, axis=1)
    np.testing.assert_allclose(others, t1.data.min(), rtol=1e-5)


def test_slices_run_in_the_order_asked_for(only_t1):
    steps, _ = run(only_t1, UNIFIED, targets=["T2"], slices=(3, 1, 3), model=Copy())

    assert [i for step in steps for i in step.slices] == [3, 1]


@pytest.mark.parametrize("slices", [5, -1, (0, 99), range(4, 6), ()])
def test_slices_outside_the_volume_are_refused(slices, only_t1):
    with pytest.raises(EngineError, match=r"numbered 0 to 4|at least one"):
        run(only_t1, UNIFIED, targets=["T2"], slices=slices, model=Copy())


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_the_batch_size_changes_nothing(statistics, study):
    torch.manual_seed(1)
    model = ResViT(
        4, 4, width=4, n_blocks=2, embed_dim=8, depth=2, n_heads=2, mlp_dim=8,
        transformer_blocks=(1,), token_grid=(2, 2),
    )  # fmt: skip
    set_norm_statistics(model, statistics)
    made = [
        run(study, UNIFIED, targets=["FLAIR"], model=model, batch_size=n)[1]
        for n in (1, 2, 6)
    ]

    for other in made[1:]:
        np.testing.assert_allclose(
            other.volumes["FLAIR"].data, made[0].volumes["FLAIR"].data, atol=1e-2
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_gpu_makes_the_same_image(precision, study):
    torch.manual_seed(0)
    model = ResViT(
        4, 4, width=8, n_blocks=2, embed_dim=16, depth=2, n_heads=2, mlp_dim=32,
        transformer_blocks=(1,), token_grid=(2, 2),
    )  # fmt: skip
    made = [
        run(study, UNIFIED, targets=["FLAIR"], model=model, device=device, **options)[1]
        for device, options in (("cpu", {}), ("cuda", {"precision": precision}))
    ]

    exact, fast = (result.volumes["FLAIR"].data for result in made)
    assert made[1].provenance["device"].startswith("cuda")
    assert np.sqrt(np.mean((exact - fast) ** 2)) < 0.01 * exact.max()


# --- provenance -----------------------------------------------------------------------


def test_a_result_says_that_it_is_synthetic_and_of_what(study):
    volumes = dict(study.volumes)
    volumes["T2"] = study["T2"].with_data(
        study["T2"].data,
        metadata={"synthetic": True, "path": "/home/someone/John_Doe/t2.nii.gz"},
    )
    _, result = run(
        Study(volumes), card_like(sha256="ab" * 32), targets=["FLAIR"], model=Copy()
    )

    flair = result.volumes["FLAIR"]
    assert flair.name == "FLAIR (synthetic: Copy)"
    assert flair.is_synthetic
    found = json.loads(json.dumps(flair.metadata["provenance"]))
    assert found["model"] == "copy"
    assert found["sha256"] == "ab" * 32
    assert found["synthetic_sources"] == ["T2"]
    assert found["sources"]["T2"]["file"] == "t2.nii.gz"
    assert "John_Doe" not in json.dumps(found)
    assert found["missing"] == ["FLAIR"]
    assert found["targets"] == ["FLAIR"]
    assert (found["device"], found["precision"]) == ("cpu", "fp32")
    assert found["slices"] == {"first": 0, "last": 5, "number": 6}
    assert any("scale of T1" in note for note in found["notes"])


def test_a_plane_the_model_was_not_trained_on_is_noted(only_t1):
    _, result = run(
        only_t1, UNIFIED, targets=["T2"], plane="sagittal", slices=3, model=Copy()
    )

    assert any("trained on axial" in note for note in result.provenance["notes"])


# --- cancelling and models ------------------------------------------------------------


def test_closing_the_generator_frees_the_network_at_once(only_t1, monkeypatch):
    closed = []
    monkeypatch.setattr(batches.BatchRunner, "close", lambda self: closed.append(self))
    model = Copy().train()
    steps = predict(only_t1, UNIFIED, targets=["T2"], model=model)
    next(steps), next(steps)
    assert not model.training
    steps.close()

    assert len(closed) == 1
    assert model.training
    assert len(model.shown) == 1


def test_a_given_model_is_handed_back_as_it_was(only_t1):
    model = ResViT(4, 4, width=2, n_blocks=1, transformer_blocks=()).train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    run(only_t1, UNIFIED, targets=["T2"], model=model)
    run(only_t1, UNIFIED, targets=["T2"], model=model, precision="bf16")

    assert model.training
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key])


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_bf16_stays_close_to_fp32(statistics, study):
    torch.manual_seed(0)
    model = ResViT(
        4, 4, width=8, n_blocks=2, embed_dim=16, depth=2, n_heads=2, mlp_dim=32,
        transformer_blocks=(1, 2), token_grid=(2, 2),
    )  # fmt: skip
    set_norm_statistics(model, statistics)
    made = [
        run(study, UNIFIED, targets=["FLAIR"], model=model, precision=precision)[1]
        for precision in ("fp32", "bf16")
    ]

    exact, fast = (result.volumes["FLAIR"].data for result in made)
    assert made[1].provenance["precision"] == "bf16"
    assert np.sqrt(np.mean((exact - fast) ** 2)) < 0.01 * exact.max()
    assert len(np.unique(fast[0, 3])) > 1000  # not the 256 steps of a bf16 output


def test_the_network_of_a_card_is_made_ready_once(only_t1, monkeypatch):
    loaded = []

    def load(card):
        loaded.append(card.id)
        return ResViT(4, 4, width=2, n_blocks=1, transformer_blocks=()).eval()

    monkeypatch.setattr(network, "load_model", load)
    network.forget_networks()
    for _ in range(2):
        run(only_t1, UNIFIED, targets=["T2"], device="cpu", precision="fp32")
    network.forget_networks()

    assert loaded == ["copy"]


def test_repeated_previews_fit_a_volume_once(only_t1, monkeypatch):
    from napari_medsynth.engine import sources

    fits = []
    fit = sources.fit_normalisation
    monkeypatch.setattr(
        sources, "fit_normalisation", lambda a, spec: fits.append(1) or fit(a, spec)
    )
    for index in range(3):
        run(only_t1, UNIFIED, targets=["T2"], slices=index, model=Copy())

    assert len(fits) == 1


# --- errors ---------------------------------------------------------------------------


def test_out_of_memory_halves_the_batch_and_says_so(only_t1, t1, caplog):
    model = Failing(torch.OutOfMemoryError("CUDA out of memory."), largest=2)
    with caplog.at_level(logging.WARNING):
        steps, result = run(only_t1, UNIFIED, targets=["T2"], model=model, batch_size=5)

    messages = [step.message for step in steps if step.message]
    assert messages == ["Out of memory on cpu: now 2 slice(s) at once."]
    assert caplog.messages == messages
    assert result.provenance["notes"][0] == messages[0]
    assert [len(step.slices) for step in steps] == [0, 0, 2, 2, 1]
    np.testing.assert_allclose(result.volumes["T2"].data, t1.data, atol=0.01)


def test_a_full_gpu_leaves_the_work_to_the_cpu(only_t1, monkeypatch):
    """The "GPU" is simulated: its network fails, the CPU's does not."""
    full = Failing(RuntimeError("MPS backend out of memory"))
    on = {"mps": full, "cpu": Copy()}
    module = slice_network
    monkeypatch.setattr(module, "choose_device", lambda _: torch.device("mps"))
    monkeypatch.setattr(
        module, "network_for", lambda card, device, precision: on[device.type]
    )
    monkeypatch.setattr(batches, "free_memory", lambda device: None)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: self)
    steps, result = run(only_t1, UNIFIED, targets=["T2"])

    messages = [step.message for step in steps if step.message]
    assert messages == ["Out of memory on mps, even with one slice: now on the CPU."]
    assert result.provenance["device"] == "cpu"
    assert steps[-1].done == 5


def test_out_of_memory_with_one_slice_on_the_cpu_is_an_error(only_t1):
    model = Failing(RuntimeError("DefaultCPUAllocator: not enough memory: you tried"))
    with pytest.raises(DeviceMemoryError, match="One slice needs more memory"):
        run(only_t1, UNIFIED, targets=["T2"], model=model)


def test_other_torch_errors_become_one_sentence(only_t1):
    model = Failing(RuntimeError("mat1 and mat2 shapes cannot be multiplied\n stack"))
    with pytest.raises(EngineError, match=r"failed on cpu \(fp32\): mat1.*multiplied$"):
        run(only_t1, UNIFIED, targets=["T2"], model=model)


def test_a_network_with_other_outputs_than_its_card_is_refused(only_t1):
    with pytest.raises(EngineError, match="its card does not fit"):
        run(only_t1, UNIFIED, targets=["T2"], model=Copy(2))


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"targets": ["CT"]}, "cannot make CT"),
        ({}, {"targets": ["T1"]}, "No source"),
        ({}, {"targets": []}, "at least one target"),
        ({}, {"targets": ["T2"], "sources": ["T1", "CT"]}, "not CT"),
        ({"is_unified": False, "outputs": ["CT"]}, {}, "needs T2, PD, FLAIR too"),
        ({"spatial_dims": 3}, {}, "3D engine"),
    ],
)
def test_what_a_model_cannot_do_is_one_sentence(changes, options, message, only_t1):
    with pytest.raises(CardError, match=message):
        run(only_t1, card_like(**changes), model=Copy(), **options)


def test_a_source_that_the_study_lacks_is_named(only_t1):
    with pytest.raises(VolumeError, match="has no T2"):
        run(only_t1, UNIFIED, targets=["PD"], sources=["T2"], model=Copy())


def test_a_source_of_several_channels_is_refused(t1):
    colour = t1.with_data(np.repeat(t1.data, 3, axis=0))
    with pytest.raises(VolumeError, match="3 channels"):
        run(Study({"T1": colour}), UNIFIED, targets=["T2"], model=Copy())


@pytest.mark.parametrize(
    "options",
    [{"plane": "oblique"}, {"device": "abacus"}, {"precision": "fp4"},
     {"attention": ("heat",)}],
)  # fmt: skip
def test_unknown_options_are_engine_errors(options, only_t1):
    with pytest.raises(EngineError, match="must be"):
        run(only_t1, UNIFIED, targets=["T2"], model=Copy(), **options)


def test_predict_is_the_function_also_after_its_module_was_imported():
    import napari_medsynth.engine.predict  # noqa: F401
    from napari_medsynth.engine import predict as again

    assert again is predict_function
    assert callable(again)
    assert Progress(0, 1).partial == {}


def test_a_target_in_hounsfield_units_stays_in_its_declared_range(t1):
    """MR to CT: a network that goes too far is clipped, one within is not touched."""
    card = card_like(
        inputs=["MR"],
        outputs=["CT"],
        is_unified=False,
        intensity={"CT": {"kind": "window", "low": -1024, "high": 3071}},
    )

    class Steep(nn.Module):
        def forward(self, image):
            return 3 * image

    _, result = run(Study({"MR": t1}), card, model=Steep())
    ct = result.volumes["CT"]
    _, plain = run(Study({"MR": t1}), card, model=Copy(1))
    known = (plain.volumes["CT"].data + 1024) / 4095 * 2 - 1

    assert ct.modality == "CT"
    assert (ct.data.min(), ct.data.max()) == (-1024, 3071)
    expected = np.clip((3 * known + 1) / 2 * 4095 - 1024, -1024, 3071)
    np.testing.assert_allclose(ct.data, expected, atol=0.01)
    assert not any("relative" in note for note in result.provenance["notes"])
