import re
import subprocess
import sys

import pytest

from napari_medsynth.catalogue import (
    get_card,
    get_pack,
    list_cards,
    origin_of,
    problems,
    provider_errors,
    write_pack,
)
from napari_medsynth.errors import WeightsError

CARD = """
from napari_medsynth.catalogue import ModelCard
def card(id):
    return ModelCard(id=id, family="x", task="synthesis", title=id, factory="a:B",
                     inputs=("T1",), outputs=("T2",))
"""


def test_plain_function_gives_cards(provider):
    provider("plain", CARD + "def medsynth_cards(): return [card('one'), card('two')]")

    assert [c.id for c in list_cards()] == ["one", "two"]
    assert origin_of("one") == "plain"
    assert provider_errors() == []
    with pytest.raises(WeightsError, match=r"plain.*only a card"):
        get_pack("one")


def test_function_marked_for_the_plugin_engine_gives_cards(provider):
    provider(
        "marked",
        CARD + "from napari_plugin_engine import HookImplementationMarker\n"
        "@HookImplementationMarker('medsynth')\n"
        "def medsynth_cards(): return [card('marked-one')]",
    )

    assert get_card("marked-one").id == "marked-one"


def test_provider_gives_packs(provider, tmp_path, card, weights):
    pack = write_pack(tmp_path / "own.safetensors", card, weights)
    provider(
        "packed",
        "from napari_medsynth.catalogue import read_pack\n"
        f"path = {str(pack.path)!r}\n"
        "def medsynth_cards(): return [(read_pack(path).card, path)]",
    )

    assert get_pack(card.id) == pack


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def medsynth_cards(): raise RuntimeError('no licence')", "no licence"),
        ("def medsynth_cards(): return 3", "got int"),
        ("def medsynth_cards(): return [{'id': 'x'}]", "got dict"),
        ("def medsynth_cards(name): return []", "HookCallError|name"),
        ("cards = []", "defines no function medsynth_cards"),
    ],
    ids=["import", "exception", "type", "item", "argument", "no-hook"],
)
def test_broken_provider_is_named_and_hides_nobody(provider, source, reason):
    provider("good", CARD + "def medsynth_cards(): return [card('good-one')]")
    provider("broken", source)

    assert [c.id for c in list_cards()] == ["good-one"]
    (error,) = provider_errors()
    assert error.name == "broken"
    assert re.search(reason, error.message)
    assert f"Provider broken: {error.message}" in problems()


def test_pack_that_is_not_its_card_is_a_problem(provider, tmp_path, card, weights):
    pack = write_pack(tmp_path / "own.safetensors", card, weights)
    provider(
        "mixed",
        CARD + "def medsynth_cards():\n"
        f"    return [(card('other'), {str(pack.path)!r}), (card('gone'), '/no/file')]",
    )

    assert list_cards() == []
    assert any("tiny-t1-t2, not other" in sentence for sentence in problems())
    assert any("/no/file does not exist" in sentence for sentence in problems())


def test_duplicate_of_a_users_pack_loses(provider, home, card, weights):
    write_pack(home / "models" / "tiny.safetensors", card, weights)
    provider("copy", CARD + f"def medsynth_cards(): return [card({card.id!r})]")

    assert origin_of(card.id) == "user"
    assert problems() == [f"{card.id} of copy is hidden: user has this id."]


def test_import_of_the_catalogue_loads_nothing_heavy():
    code = (
        "import sys, napari_medsynth.catalogue; "
        "print([m for m in ('numpy', 'torch', 'safetensors', 'platformdirs', "
        "'napari_plugin_engine', 'qtpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
