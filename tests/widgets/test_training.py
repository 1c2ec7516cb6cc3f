"""Start, stop, continue, keep and discard: real boxes, a child that trains nothing."""

from __future__ import annotations

import json
import sys

import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_medsynth.catalogue import ModelPack, user_folder
from napari_medsynth.errors import WeightsError
from napari_medsynth.training.job import read_job
from napari_medsynth.widgets import _keep_model, finetune
from napari_medsynth.widgets._process import is_leaving
from napari_medsynth.widgets._run_folder import RunFolder
from widgets.finetune_dock import SHORT, finetune_dock, train_as


@pytest.fixture(autouse=True)
def no_preferences(monkeypatch, preferences):
    class Fake:
        def apply_home(self):
            return False

    monkeypatch.setattr(finetune, "Preferences", Fake)


@pytest.fixture
def dock(viewer, qtbot):
    dock = finetune_dock(viewer)
    training = dock.training
    yield dock
    training.close()
    if not is_gone(dock):
        dock.deleteLater()
    qtbot.waitUntil(lambda: not is_leaving_any(), timeout=20_000)


def is_gone(widget):
    """Whether Qt has deleted it."""
    try:
        widget.isVisible()
    except RuntimeError:
        return True
    return False


def is_leaving_any():
    return any(is_leaving(folder) for folder in runs())


def runs():
    folder = user_folder() / "runs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def wait_for_steps(qtbot, dock):
    qtbot.waitUntil(lambda: "step" in dock.watch_box._events, timeout=10_000)


def wait_until_free(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=20_000)


def said(dock):
    return dock.watch_box.state_label.text()


def is_usable(dock):
    return (
        dock.watch_box.start_button.isEnabled()
        and not dock.watch_box.keep_button.isEnabled()
        and dock.cohort_box.isEnabled()
        and dock.learn_box.isEnabled()
    )


def test_a_run_to_its_end_asks_whether_to_keep_the_model(qtbot, dock):
    train_as(dock, "normal")

    click(dock.watch_box.start_button)
    assert dock.is_busy
    assert not dock.cohort_box.isEnabled()
    wait_until_free(qtbot, dock)

    assert said(dock) == "Training is finished."
    assert is_usable(dock)
    assert dock.verdict_box.sentence_label.text() == "It is better."
    assert dock.verdict_box.title == dock.learn_box.name()
    assert dock.verdict_box.keep_button.isEnabled()
    (folder,) = runs()
    job = read_job(folder / "job.json")
    assert (job.title, job.base) == (dock.learn_box.name(), "fake-unified")
    assert folder.name.startswith("fake-unified-tuned-")
    assert dock.watch_box._offer == ""


def test_what_cannot_be_started_is_not_started(qtbot, dock):
    processes = train_as(dock, "normal")
    dock.cohort_box.reason = lambda: "Choose a folder."
    dock.cohort_box.changed.emit()

    assert not dock.watch_box.start_button.isEnabled()
    assert dock.watch_box.reason_label.text() == "Choose a folder."
    dock.training.start()
    assert not processes
    assert not runs()


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        pytest.param(
            "crash",
            "The training process crashed (SIGSEGV): Resume continues from its last "
            "checkpoint.",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no signals"),
        ),
        ("memory", "One slice needs more memory than there is."),
        ("hang", "The training process said nothing for "),
        ("exit", "The training process ended with code 3 (Traceback: it broke)"),
    ],
)
def test_each_bad_end_is_one_sentence_and_a_usable_dock(qtbot, dock, how, sentence):
    train_as(dock, how, patience=SHORT)
    click(dock.watch_box.start_button)
    wait_until_free(qtbot, dock)

    assert said(dock).startswith(sentence)
    assert "\n" not in said(dock)
    assert is_usable(dock)
    has_checkpoint = how != "memory"
    assert bool(dock.watch_box._offer) is has_checkpoint
    train_as(dock, "normal")
    button = dock.watch_box.resume_button if has_checkpoint else None
    click(button or dock.watch_box.start_button)
    wait_until_free(qtbot, dock)
    assert said(dock) == "Training is finished."
    assert len(runs()) == (1 if has_checkpoint else 2)


def test_stop_and_keep_judges_what_was_learnt(qtbot, dock):
    train_as(dock, "long")
    click(dock.watch_box.start_button)
    wait_for_steps(qtbot, dock)

    click(dock.watch_box.keep_button)
    wait_until_free(qtbot, dock)

    assert said(dock).startswith("Training was stopped")
    assert dock.verdict_box.sentence_label.text() == "It is better."
    assert dock.watch_box._offer.startswith(
        "“Fake unified, tuned” was stopped in epoch"
    )
    assert is_usable(dock)


def test_stop_and_discard_leaves_nothing(qtbot, dock):
    train_as(dock, "long")
    click(dock.watch_box.start_button)
    wait_for_steps(qtbot, dock)
    assert len(runs()) == 1

    click(dock.watch_box.discard_button)
    wait_until_free(qtbot, dock)

    assert runs() == []
    assert said(dock).startswith("Stopped and discarded")
    assert dock.watch_box._offer == ""
    assert not dock.verdict_box.keep_button.isVisibleTo(dock.verdict_box)
    assert is_usable(dock)
    assert dock.to_json()["run"] == ""


def test_closing_the_dock_lets_the_child_end_and_the_next_dock_continues(
    qtbot, dock, viewer, caplog
):
    processes = train_as(dock, "long")
    click(dock.watch_box.start_button)
    wait_for_steps(qtbot, dock)
    (folder,) = runs()

    dock.deleteLater()
    QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete.value)
    assert is_leaving(folder)
    again = finetune_dock(viewer)  # at once: the child still writes its checkpoint
    qtbot.addWidget(again)
    offer = again.watch_box.offer_label
    qtbot.waitUntil(lambda: bool(offer.text()), timeout=10_000)

    assert not processes[0].is_running
    assert RunFolder(folder).last("done")["reason"] == "stopped"
    assert "was stopped in epoch" in offer.text()
    assert not again.is_busy
    train_as(again, "normal")
    click(again.watch_box.resume_button)
    wait_until_free(qtbot, again)
    assert runs() == [folder]
    assert said(again) == "Training is finished."
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def test_a_finished_run_waits_for_its_decision_in_the_next_dock(qtbot, dock, viewer):
    train_as(dock, "normal")
    click(dock.watch_box.start_button)
    wait_until_free(qtbot, dock)
    dock.training.close()

    again = finetune_dock(viewer)
    qtbot.addWidget(again)

    assert again.verdict_box.sentence_label.text() == "It is better."
    assert again.verdict_box.title == "Fake unified, tuned"
    click(again.verdict_box.discard_button)
    assert runs() == []
    assert again.verdict_box.status_label.text().startswith("Discarded")
    last = finetune_dock(viewer)
    qtbot.addWidget(last)
    assert last.training.folder is None


def test_a_run_of_another_window_is_left_alone(qtbot, dock, viewer):
    train_as(dock, "long")
    click(dock.watch_box.start_button)
    wait_for_steps(qtbot, dock)

    other = finetune_dock(viewer)
    qtbot.addWidget(other)

    assert said(other) == "Another window is training the last model."
    assert other.watch_box._offer == ""
    click(dock.watch_box.discard_button)
    wait_until_free(qtbot, dock)


@pytest.fixture
def keeper(monkeypatch, unified):
    """Keep a model without weights; give the calls."""
    calls = []

    def keep(folder, verdict, card_id, title):
        calls.append((folder, verdict, card_id, title))
        yield
        if title == "Bad":
            raise WeightsError("The pack is damaged.")
        return ModelPack(folder / "x", unified)

    monkeypatch.setattr(_keep_model, "_keep", keep)
    return calls


def test_keep_installs_the_model_under_its_new_name(qtbot, dock, keeper):
    train_as(dock, "normal")
    click(dock.watch_box.start_button)
    wait_until_free(qtbot, dock)
    dock.verdict_box.set_title("Bad")
    click(dock.verdict_box.keep_button)
    status = dock.verdict_box.status_label
    qtbot.waitUntil(lambda: status.text() == "The pack is damaged.")
    qtbot.waitUntil(lambda: not dock.training._keeper.is_busy)

    dock.verdict_box.set_title("Site A, 3 T")
    click(dock.verdict_box.keep_button)
    qtbot.waitUntil(lambda: status.text().startswith("Kept as"))

    (folder,) = runs()
    verdict = json.loads((folder / "verdict.json").read_text())
    assert keeper[-1] == (folder, verdict, "site-a-3-t", "Site A, 3 T")
    assert dock.to_json()["run"] == ""
    assert dock.verdict_box.isEnabled()


def test_an_id_is_made_of_the_title():
    assert _keep_model.id_of("Site A (3 T)") == "site-a-3-t"
    assert _keep_model.id_of("\u8133") == "tuned"


def test_a_continued_run_draws_the_curves_of_what_was_done(tmp_path):
    events = [{"event": "step", "step": n, "losses": {}} for n in range(1, 5001)]
    events.insert(2500, {"event": "epoch", "epoch": 1})
    lines = [json.dumps(event) for event in events]
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + '\n{"event": "st')

    drawn = RunFolder(tmp_path).curves()

    steps = [event["step"] for event in drawn if event["event"] == "step"]
    assert len(steps) <= 1000
    assert (steps[0], steps[-1]) == (1, 4999)
    assert [event["epoch"] for event in drawn if event["event"] == "epoch"] == [1]


def test_a_folder_that_cannot_be_written_is_one_sentence(qtbot, dock):
    train_as(dock, "normal")
    user_folder().mkdir(parents=True, exist_ok=True)
    (user_folder() / "runs").write_text("a file")
    click(dock.watch_box.start_button)

    assert not dock.is_busy
    assert "cannot be written" in said(dock)
    (user_folder() / "runs").unlink()
    click(dock.watch_box.start_button)
    wait_until_free(qtbot, dock)


def test_the_measured_pace_estimates_other_runs_too(qtbot, dock, viewer):
    label = dock.learn_box.estimate_label
    assert label.text().startswith("Time: measured on the first slices")
    train_as(dock, "normal")
    click(dock.watch_box.start_button)
    wait_until_free(qtbot, dock)

    # 12 slices, 4 per step, 2 s each, and 3 s after each epoch
    usual = dock.learn_box.config().epochs * (3 * 2 + 3)
    assert (
        f"about {usual} s" in label.text() or f"{round(usual / 60)} min" in label.text()
    )
    dock.learn_box.form.set_from_json({**dock.learn_box.form.to_json(), "epochs": 40})
    assert "about 6 min" in label.text()
    dock.learn_box.form.set_from_json(
        {**dock.learn_box.form.to_json(), "batch_size": 1}
    )
    assert "about" not in label.text()
    dock.learn_box.form.set_from_json(
        {**dock.learn_box.form.to_json(), "batch_size": 0}
    )

    again = finetune_dock(viewer)
    qtbot.addWidget(again)
    assert "about 6 min" in again.learn_box.estimate_label.text()
