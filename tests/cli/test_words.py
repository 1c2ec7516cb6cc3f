import pytest

from napari_medsynth.cli.words import repeat_options

NAMES = {"--inputs", "-i", "--target"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--inputs a b --target c", "--inputs a --inputs b --target c"),
        ("--inputs a --inputs b c", "--inputs a --inputs b --inputs c"),
        ("-i a b -o out", "-i a -i b -o out"),
        ("--inputs=a b", "--inputs=a --inputs b"),
        ("--model m --target a b", "--model m --target a --target b"),
        ("--json --inputs a", "--json --inputs a"),
        ("--inputs T1=a -- b", "--inputs T1=a -- b"),
        ("", ""),
    ],
)
def test_option_is_repeated_before_each_of_its_words(given, meant):
    assert repeat_options(given.split(), NAMES) == meant.split()
