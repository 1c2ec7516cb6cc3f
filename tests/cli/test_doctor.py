import pytest

from napari_medsynth import doctor
from napari_medsynth.doctor import Finding, State


@pytest.fixture
def findings(monkeypatch):
    def pretend(*given):
        monkeypatch.setattr(doctor, "examine", lambda: list(given))

    return pretend


def test_all_well_is_exit_code_0(medsynth, findings):
    findings(Finding("torch", "2.13"), Finding("screen", "none", State.warning, "Xvfb"))

    done = medsynth("doctor")

    assert done.code == 0
    assert "2.13" in done.out
    assert "Xvfb" in done.out


def test_bad_finding_is_exit_code_1_with_its_fix(medsynth, findings):
    findings(Finding("Qt libraries", "lacks x", State.bad, "apt-get install libx"))

    done = medsynth("doctor")

    assert done.code == 1
    assert "apt-get install libx" in done.out


def test_json_says_whether_all_is_well(medsynth, findings):
    findings(Finding("torch", "2.13", State.bad, "pip install torch"))

    done = medsynth("doctor", "--json")

    assert done.code == 1
    assert done.json == {
        "ok": False,
        "checks": [
            {
                "name": "torch",
                "text": "2.13",
                "state": "bad",
                "fix": "pip install torch",
            }
        ],
    }


def test_real_examination_has_no_surprise(medsynth, tiny):
    done = medsynth("doctor", "--json")

    names = {check["name"] for check in done.json["checks"]}
    assert {"Python", "napari", "torch", "SimpleITK", "memory", "CPU"} <= names
    assert all(check["fix"] for check in done.json["checks"] if check["state"] == "bad")
