from dataclasses import replace

import pytest

from napari_medsynth.catalogue import (
    STARTER,
    get_card,
    get_pack,
    import_pack,
    list_cards,
    models_folder,
    origin_of,
    problems,
    registry,
    remove_pack,
    user_folder,
    write_pack,
)
from napari_medsynth.errors import CardError, WeightsError


def put(folder, card, weights):
    return write_pack(folder / f"{card.id}.safetensors", card, weights)


def test_nothing_installed_is_an_empty_list(monkeypatch):
    def missing(*parts):
        raise FileNotFoundError

    monkeypatch.setattr(registry, "resource", missing)

    assert list_cards() == []
    assert problems() == []


def test_embedded_come_before_the_users_packs(home, embedded, card, weights):
    put(home / "models", card, weights)
    put(embedded, replace(card, id="zebra", task="denoising"), weights)

    assert [c.id for c in list_cards()] == ["zebra", "tiny-t1-t2"]
    assert [c.id for c in list_cards("denoising")] == ["zebra"]
    assert origin_of("zebra") == "embedded"
    assert origin_of("tiny-t1-t2") == "user"
    assert get_pack("tiny-t1-t2").weights().keys() == weights.keys()


def test_unknown_task_names_the_tasks():
    with pytest.raises(CardError, match="synthesis, super-resolution"):
        list_cards("painting")


def test_unknown_id_names_the_known(home, card, weights):
    put(home / "models", card, weights)

    with pytest.raises(CardError, match=r"no-such.*tiny-t1-t2"):
        get_card("no-such")
    with pytest.raises(CardError, match="no-such"):
        get_pack("no-such")


def test_starter_is_an_alias(embedded, card, weights):
    put(embedded, replace(card, id=STARTER), weights)

    assert get_card("starter").id == STARTER
    assert get_pack("starter").card.id == STARTER


def test_broken_file_hides_no_other(home, card, weights):
    put(home / "models", card, weights)
    (home / "models" / "a-broken.safetensors").write_bytes(b"\x05")

    assert [c.id for c in list_cards()] == ["tiny-t1-t2"]
    assert len(problems()) == 1
    assert "a-broken.safetensors" in problems()[0]


def test_second_pack_of_an_id_is_named_as_hidden(home, embedded, card, weights):
    put(embedded, replace(card, title="First"), weights)
    loser = put(home / "models", replace(card, title="Second"), weights)

    assert get_card(card.id).title == "First"
    assert problems() == [
        f"tiny-t1-t2 of {loser.path} is hidden: embedded has this id."
    ]


def test_changed_file_is_read_again(home, card, weights):
    put(home / "models", card, weights)
    assert get_card(card.id).title == "Tiny"

    put(home / "models", replace(card, title="A longer title"), weights)

    assert get_card(card.id).title == "A longer title"


def test_import_copies_and_remove_deletes(tmp_path, home, card, weights):
    pack = put(tmp_path, card, weights)

    imported = import_pack(pack.path)

    assert imported.path == home / "models" / "tiny-t1-t2.safetensors"
    assert get_pack(card.id) == imported
    assert list(models_folder().iterdir()) == [imported.path]
    assert remove_pack(card.id) == imported.path
    assert list_cards() == []
    assert pack.path.exists()


def test_import_replaces_only_when_asked(tmp_path, card, weights):
    import_pack(put(tmp_path, card, weights).path)
    newer = put(tmp_path, replace(card, title="Newer"), weights)

    with pytest.raises(CardError, match="taken"):
        import_pack(newer.path)
    assert get_card(card.id).title == "Tiny"
    import_pack(newer.path, replace=True)
    assert get_card(card.id).title == "Newer"


def test_embedded_pack_is_neither_replaced_nor_removed(
    tmp_path, embedded, card, weights
):
    put(embedded, card, weights)
    other = put(tmp_path, card, weights)

    with pytest.raises(CardError, match="choose another"):
        import_pack(other.path, replace=True)
    with pytest.raises(CardError, match="part of napari-medsynth"):
        remove_pack(card.id)


def test_damaged_pack_is_not_imported(tmp_path, card, weights):
    path = put(tmp_path, card, weights).path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(WeightsError, match="damaged"):
        import_pack(path)
    assert not models_folder().exists()


def test_user_folder_without_variable_is_the_systems(monkeypatch):
    monkeypatch.delenv("MEDSYNTH_HOME")

    assert user_folder().is_absolute()
    assert "napari-medsynth" in str(user_folder())


def test_the_starter_comes_first(embedded, card, weights):
    for name in ("a-model", STARTER, "zebra"):
        put(embedded, replace(card, id=name), weights)

    assert [c.id for c in list_cards()] == [STARTER, "a-model", "zebra"]
