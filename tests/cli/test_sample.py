"""medsynth sample: a cohort to try things on."""

from napari_medsynth.io import read_study
from napari_medsynth.simulate import site


def test_sample_writes_subjects_that_can_be_read(
    medsynth, tmp_path, study, monkeypatch
):
    monkeypatch.setattr(site, "simulate_study", lambda seed, **scanner: study)

    done = medsynth("sample", tmp_path / "cohort", "--subjects", "2")

    folders = [tmp_path / "cohort" / f"subject-0{n}" for n in (1, 2)]
    assert done.out.splitlines() == [str(folder) for folder in folders]
    files = {m: folders[1] / f"{m}.nii.gz" for m in study.modalities}
    assert read_study(files).modalities == study.modalities


def test_sample_does_not_touch_a_folder_with_something_in_it(medsynth, tmp_path):
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")

    done = medsynth("sample", folder)

    assert done.code == 1
    assert "not empty" in done.err
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
