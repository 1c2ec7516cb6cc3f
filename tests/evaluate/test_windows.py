from napari_medsynth.evaluate.metric_names import METRICS, best_of, format_value
from napari_medsynth.evaluate.windows import WINDOWS


def test_windows_have_the_level_and_width_of_the_textbooks():
    known = {
        name: ((low + high) / 2, high - low) for name, (low, high) in WINDOWS.items()
    }
    assert known == {
        "brain": (40, 80),
        "bone": (400, 1800),
        "lung": (-600, 1500),
        "soft-tissue": (50, 400),
    }


def test_numbers_are_written_as_they_are_read():
    assert format_value("psnr", 23.456) == "23.46"
    assert format_value("psnr", float("inf")) == "equal"
    assert format_value("ssim", 0.91234) == "0.9123"
    assert format_value("mae", 0.0123) == "0.0123"
    assert format_value("mae", 41.237) == "41.24"
    assert format_value("nmse", None) == format_value("nmse", float("nan")) == ""


def test_the_best_is_the_smallest_error_and_the_largest_similarity():
    values = {"a": 0.2, "b": 0.1, "c": float("nan")}

    assert {name for name in METRICS if best_of(name, values) == "a"} == {
        "psnr",
        "ssim",
        "ms_ssim",
    }
    assert best_of("mae", values) == "b"
    assert best_of("mae", {"a": 1.0, "c": float("nan")}) == ""
