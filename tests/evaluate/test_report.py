import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate import (
    Measured,
    Picture,
    declare,
    write_csv,
    write_report,
)

ROWS = (
    Measured("one", "whole image", 100, {"mae": 0.25, "psnr": 20.0, "ssim": 0.5}),
    Measured("two", "whole image", 100, {"mae": 0.125, "psnr": float("inf")}),
    Measured(
        "one",
        "lesion 1",
        7,
        {"mae": 0.5},
        {"ssim": "SSIM needs more."},
        ("one resampled.",),
    ),
)


class Page(HTMLParser):
    """What a page holds: tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data.strip())

    @property
    def words(self) -> str:
        return " ".join(filter(None, self.text))


def report(path, truth, **changes):
    options = {
        "title": "FLAIR",
        "rows": ROWS,
        "declaration": declare(truth, "window", (0, 80)),
        "settings": {"mask": "lesion"},
        "provenance": {"one": {"model": "resvit", "notes": ["a", "b"]}},
    } | changes
    return write_report(path, **options)


def test_csv_has_a_line_per_model_and_region_with_the_declaration(tmp_path, truth):
    declaration = declare(truth, "window", (0, 80))
    path = write_csv(tmp_path / "new" / "t.csv", ROWS, declaration)
    first, second, third = csv.DictReader(path.open(encoding="utf-8"))

    assert (first["model"], first["region"], first["voxels"]) == (
        "one",
        "whole image",
        "100",
    )
    assert float(first["mae"]) == 0.25
    assert first["ms_ssim"] == ""
    assert float(second["psnr"]) == float("inf")
    assert third["remarks"] == "one resampled. SSIM needs more."
    for line in (first, second, third):
        assert line["scaling"] == "window"
        assert (float(line["low"]), float(line["high"])) == (0, 80)
        assert float(line["data_range"]) == 80
        assert line["error_unit"] == "image unit"
        assert line["numpy"] == np.__version__


def test_a_spreadsheet_runs_no_name(tmp_path, truth):
    row = Measured("=HYPERLINK(1)", "@lesion", 1, {"mae": 0.5})
    path = write_csv(tmp_path / "t.csv", [row], declare(truth))
    (line,) = csv.DictReader(path.open(encoding="utf-8"))

    assert (line["model"], line["region"]) == ("'=HYPERLINK(1)", "'@lesion")


def test_the_page_says_all_of_it(tmp_path, truth):
    page = Page(report(tmp_path / "r.html", truth).read_text(encoding="utf-8"))

    for words in (
        "Synthetic images, not for diagnosis.",
        "whole image",
        "lesion 1",
        "20.00",
        "0.1250",
        "equal",
        "data range 80",
        "lesion 1: SSIM needs more.",
        "one resampled.",
        '"model": "resvit"',
        "Settings",
        "Provenance",
    ):
        assert words in page.words


def test_the_page_needs_nothing_else(tmp_path, truth):
    picture = Picture("a slice", np.zeros((4, 4), np.uint8))
    path = report(tmp_path / "r.html", truth, pictures=[picture])
    page = Page(path.read_text(encoding="utf-8"))

    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "a", "form"}
    for _, attributes in page.tags:
        assert not {"href", "onload", "onerror", "onclick"} & set(attributes)
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,iVBOR")
    (image,) = (attributes for tag, attributes in page.tags if tag == "img")
    assert image["alt"] == "a slice"
    assert "url(" not in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_names_are_text_not_markup(tmp_path, truth):
    evil = "<script>alert(1)</script>"
    path = report(
        tmp_path / "r.html",
        truth,
        title=evil,
        rows=[Measured(evil, evil, 1, {"mae": 0.5}, {}, (evil,))],
        pictures=[Picture(f'"{evil}', np.zeros((4, 4), np.uint8))],
        settings={evil: evil},
        provenance={evil: {evil: evil}},
    )
    text = path.read_text(encoding="utf-8")

    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_best_of_several_models_is_bold(tmp_path, truth):
    page = Page(report(tmp_path / "r.html", truth).read_text(encoding="utf-8"))
    best = [a for tag, a in page.tags if "best" in a.get("class", "")]

    assert len(best) == 2  # MAE of two, PSNR of two; nothing to compare in the lesion


def test_reasons_are_said_once_for_all_regions(tmp_path, truth):
    rows = [Measured("m", f"r{i}", 1, {}, {"ssim": "Too small."}) for i in range(3)]
    text = report(tmp_path / "r.html", truth, rows=rows).read_text(encoding="utf-8")

    assert "r0, r1, r2: Too small." in text


def test_a_report_that_fails_leaves_the_earlier_one(tmp_path, truth, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("earlier")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(VolumeError, match="No space left"):
        report(path, truth)
    monkeypatch.undo()

    assert path.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, truth):
    (tmp_path / "file").write_text("")
    with pytest.raises(VolumeError, match="cannot be written"):
        write_csv(tmp_path / "file" / "t.csv", ROWS, declare(truth))


def test_the_declaration_is_json(truth):
    assert json.loads(json.dumps(declare(truth).to_json()))["data_range"] == 1
