"""Reading a recipe."""

from pathlib import Path

import pytest

from napari_medsynth.errors import CardError
from napari_medsynth.resources import resource
from napari_medsynth.training import TrainConfig, read_config

MINIMAL = 'id = "a"\ntitle = "A"\noutput = "a.safetensors"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_lists_become_tuples_and_integers_floats(tmp_path):
    text = MINIMAL + 'planes = ["axial"]\nlearning_rate = 1\n[options]\nwidth = 4\n'

    config = read_config(written(tmp_path, text))

    assert config.planes == ("axial",)
    assert isinstance(config.learning_rate, float)
    assert config.options == {"width": 4}


def test_the_recipe_of_the_starter_is_valid(monkeypatch, tmp_path):
    (tmp_path / "data" / "brain" / "stroke_cstar").mkdir(parents=True)
    monkeypatch.setenv("MEDSYNTH_SHARED", str(tmp_path))

    config = read_config(resource("training", "starter.toml"))

    assert config.id == "resvit-starter"
    assert config.real == (str(tmp_path / "data/brain/stroke_cstar"),)
    assert not any("ms_lesjak_p07" in folder for folder in config.real)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINIMAL + "n_step = 3\n", "unknown settings n_step"),
        (MINIMAL + 'n_steps = "3"\n', "n_steps must be int"),
        (MINIMAL + "n_steps = true\n", "n_steps must be int"),
        (MINIMAL + "n_steps = 0\n", "n_steps must be at least 1"),
        (MINIMAL + "real_share = 0.5\n", "needs folders in real"),
        (MINIMAL + 'precision = "fp8"\n', "precision must be fp32 or bf16"),
        (MINIMAL + "sides = [100, 200]\n", "multiples of 16"),
        (MINIMAL + 'real = ["nowhere"]\n', "does not exist"),
        (MINIMAL + 'real = ["$NO_SUCH_VARIABLE/x"]\n', "environment variable"),
        ('id = "a"\n', "needs title, output"),
        ("id = ", "no TOML"),
    ],
)
def test_a_wrong_recipe_is_refused_with_a_sentence(tmp_path, text, sentence):
    with pytest.raises(CardError, match=sentence):
        read_config(written(tmp_path, text))


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_config(tmp_path / "none.toml")


def test_defaults_describe_the_unified_model():
    config = TrainConfig(id="a", title="A", output="a.safetensors")

    assert config.modalities == ("T1", "T2", "PD", "FLAIR")
