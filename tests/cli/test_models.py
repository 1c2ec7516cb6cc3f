from dataclasses import replace

import pytest

from napari_medsynth.catalogue import write_pack

KEYS = {"id", "family", "task", "title", "inputs", "outputs", "parameters", "sha256"}


def test_list_json_has_one_object_per_card(medsynth, tiny):
    done = medsynth("models", "list", "--json")

    (card,) = done.json
    assert done.code == 0
    assert set(card) >= KEYS
    assert card["id"] == "tiny"
    assert card["sha256"] == tiny.card.sha256
    assert card["inputs"] == ["T1", "T2", "PD", "FLAIR"]
    assert card["parameters"] == tiny.card.parameters > 0


def test_list_is_a_table(medsynth, tiny):
    done = medsynth("models", "list")

    assert done.code == 0
    assert "tiny" in done.out
    assert "T1, T2, PD, FLAIR" in done.out


def test_narrow_terminal_keeps_the_id_whole(
    medsynth, home, tiny_card, tiny_weights, monkeypatch
):
    card = replace(tiny_card, id="quite-a-long-id-of-a-model", title="Long " * 9)
    write_pack(home / "models" / "long.safetensors", card, tiny_weights)
    monkeypatch.setenv("COLUMNS", "60")

    assert card.id in medsynth("models", "list").out


def test_list_filters_by_task(medsynth, tiny):
    assert medsynth("models", "list", "--json", "--task", "denoising").json == []
    wrong = medsynth("models", "list", "--task", "painting")
    assert wrong.code == 1
    assert "synthesis" in wrong.err


def test_list_names_broken_packs_and_goes_on(medsynth, tiny, home):
    (home / "models" / "broken.safetensors").write_bytes(b"\0")

    done = medsynth("models", "list", "--json")

    assert done.code == 0
    assert [card["id"] for card in done.json] == ["tiny"]
    assert "broken.safetensors" in done.err


def test_no_models_says_how_to_get_one(medsynth):
    assert "medsynth models import" in medsynth("models", "list").err


def test_show_prints_facts_and_quality(medsynth, tiny):
    done = medsynth("models", "show", "tiny")

    assert done.code == 0
    assert tiny.card.sha256 in done.out
    assert "20.5" in done.out
    assert medsynth("models", "show", "tiny", "--json").json["options"]["width"] == 4


def test_show_says_what_a_publication_left_open(medsynth):
    done = medsynth("models", "show", "staged-gan-x4")

    assert "decided here" in done.out
    assert "There is no public code" in " ".join(done.out.split())


def test_unknown_id_is_one_sentence_and_exit_code_1(medsynth, tiny):
    done = medsynth("models", "show", "nope")

    assert done.code == 1
    assert done.err.startswith("Error: No model has the id 'nope'; there are: tiny, ")
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_import_verify_remove(medsynth, tmp_path, tiny_card, tiny_weights):
    path = tmp_path / "given.safetensors"
    card = replace(tiny_card, id="given")
    write_pack(path, card, tiny_weights)

    assert medsynth("models", "import", path).code == 0
    assert "taken" in medsynth("models", "import", path).err
    assert medsynth("models", "import", path, "--replace").code == 0
    assert medsynth("models", "verify").out.startswith("ok  given")
    assert medsynth("models", "remove", "given").code == 0
    assert medsynth("models", "list", "--json").json == []


def test_verify_tells_damage_by_id_and_by_path(medsynth, tiny):
    content = bytearray(tiny.path.read_bytes())
    content[-1] ^= 1
    tiny.path.write_bytes(content)

    for name in ("tiny", tiny.path):
        done = medsynth("models", "verify", name)
        assert done.code == 1
        assert "the file is damaged" in done.err
    (row,) = medsynth("models", "verify", "--json").json
    assert row["ok"] is False


def test_verify_all_fails_on_a_truncated_pack(medsynth, tiny):
    tiny.path.write_bytes(tiny.path.read_bytes()[:-5])

    done = medsynth("models", "verify")

    assert done.code == 1
    assert "tiny.safetensors" in done.err


def test_checkpoint_needs_an_id(medsynth, tmp_path):
    done = medsynth("models", "import", tmp_path / "net.pth")

    assert done.code == 2
    assert "--id" in done.err


def test_checkpoint_of_resvit_needs_its_modalities(medsynth, tmp_path, tiny_weights):
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pth"
    torch.save({k: torch.from_numpy(v) for k, v in tiny_weights.items()}, path)

    done = medsynth("models", "import", path, "--id", "own")

    assert done.code == 1
    assert "has 4 inputs: name their modalities" in done.err
    assert "--inputs" in done.err


def test_checkpoint_becomes_a_model(medsynth, tmp_path, tiny_weights):
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pth"
    torch.save({k: torch.from_numpy(v) for k, v in tiny_weights.items()}, path)
    named = ["--inputs", "t1", "T2", "PD", "FLAIR", "--outputs", "T1", "T2", "PD"]

    done = medsynth(
        "models", "import", path, "--id", "own", *named, "FLAIR", "--unified"
    )

    assert done.code == 0, done.err
    card = medsynth("models", "show", "own", "--json").json
    assert card["inputs"] == card["outputs"] == ["T1", "T2", "PD", "FLAIR"]
    assert card["norm_statistics"] == "batch"


def test_wrong_usage_is_exit_code_2(medsynth):
    assert medsynth("models", "show").code == 2
    assert medsynth("paint").code == 2


def edsr_state():
    torch = pytest.importorskip("torch")
    from napari_medsynth.models.edsr import EDSR

    torch.manual_seed(0)
    network = EDSR(in_channels=3, out_channels=3, width=4, n_blocks=2)
    state = {}
    for key, tensor in network.state_dict().items():
        official = key.replace("body.0.", "body.", 1) if "body.0." in key[:7] else key
        is_last = key.startswith("body.1.") and key.count(".") == 2
        state[official.replace("body.1.", "body.2.") if is_last else official] = tensor
    return {**state, "sub_mean.bias": torch.zeros(3), "add_mean.bias": torch.ones(3)}


def test_official_file_needs_no_names_and_says_what_else_it_may_be(medsynth, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "edsr.pt"
    torch.save(edsr_state(), path)

    done = medsynth("models", "import", path, "--id", "edsr")

    assert done.code == 0, done.err
    assert done.out.startswith("edsr  ")
    assert "Read as 'EDSR-PyTorch'. Files of 'super-image (Hugging Face)'" in done.err
    assert "--layout" in done.err
    card = medsynth("models", "show", "edsr", "--json").json
    assert (card["task"], card["scale"], card["is_rgb"]) == (
        *("super-resolution", 2, True),
    )

    again = ("--id", "edsr", "--layout", "super-image", "--replace")
    done = medsynth("models", "import", path, *again)
    assert (done.code, done.err) == (0, "")
    assert medsynth("models", "show", "edsr", "--json").json["value_range"] == [0, 1]


def test_layouts_are_listed_whole_in_a_narrow_terminal(medsynth, monkeypatch):
    rows = medsynth("models", "layouts", "--json").json
    by_name = {row["layout"]: row for row in rows}
    assert by_name["EDSR-PyTorch"]["card"] == "edsr-x2"
    assert "generator" in by_name["PatchGAN"]["refused"]

    monkeypatch.setenv("COLUMNS", "60")
    out = medsynth("models", "layouts").out
    assert "EDSR-PyTorch" in out
    assert "…" not in out
