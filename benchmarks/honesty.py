"""Which maps of the starter are honest, what its heads and paths do: printed tables.

    python benchmarks/honesty.py

T1, T2 and PD of the sample study, FLAIR as the target, a few axial slices; each method
is asked about the slice as a whole, and about the place where FLAIR is brightest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import median

import numpy as np

from napari_medsynth.catalogue import get_card
from napari_medsynth.engine.prepared import Prepared, prepare_study
from napari_medsynth.engine.progress import exhausted
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.explain import (
    METHODS,
    MapSource,
    Query,
    check_map,
    head_statistics,
    map_maker,
    path_strengths,
    query_at,
    record_slice,
)
from napari_medsynth.explain.honesty import MOST_SIMILAR
from napari_medsynth.io import Study
from napari_medsynth.simulate import sample_study

SOURCES, TARGET = ("T1", "T2", "PD"), "FLAIR"
SLICES = (60, 78, 96)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=SLICES)
    indices = parser.parse_args().slices
    whole = sample_study()
    card = get_card("resvit-starter")
    shown = Study({name: whole[name] for name in SOURCES})
    prepared = prepare_study(shown, card, targets=(TARGET,))
    network = SliceNetwork(card)
    queries = {i: brightest(prepared, whole[TARGET].data[0, i]) for i in indices}
    print(f"{card.title}, {', '.join(SOURCES)} to {TARGET}, axial slices {indices}\n")
    print_heads(prepared, network, indices)
    print_paths(prepared, network, indices)
    print_honesty(prepared, network, queries)


def brightest(prepared: Prepared, image: np.ndarray) -> Query:
    """Ask about the brightest place of the real image, 3 pixels around it."""
    row, column = np.unravel_index(np.argmax(image), image.shape)
    return query_at(prepared, int(row), int(column), radius=3)


def print_heads(prepared: Prepared, network: SliceNetwork, indices: list[int]) -> None:
    """Entropy and distance of the heads of each block, over all slices."""
    heads = [
        head
        for index in indices
        for head in head_statistics(record_slice(prepared, network, index))
    ]
    print("| block | entropy [bits]: least, median, most | distance [mm]: likewise |")
    print("| --- | --- | --- |")
    for block in dict.fromkeys(head.block for head in heads):
        of_block = [head for head in heads if head.block == block]
        bits = sorted(head.entropy for head in of_block)
        far = sorted(head.distance for head in of_block)
        texts = [f"{v[0]:.1f}, {median(v):.1f}, {v[-1]:.1f}" for v in (bits, far)]
        print(f"| {block} | {texts[0]} | {texts[1]} |")
    print()


def print_paths(prepared: Prepared, network: SliceNetwork, indices: list[int]) -> None:
    """Mean shares of the paths of the blocks with a transformer, and of the others."""
    found = [s for i in indices for s in path_strengths(prepared, network, i)]
    blocks = {
        "with a transformer": [s for s in found if "contextual" in s.strengths],
        "without": [s for s in found if "contextual" not in s.strengths],
    }
    print("| blocks | share of the output, mean |")
    print("| --- | --- |")
    for name, strengths in blocks.items():
        paths = strengths[0].strengths
        shares = {
            p: np.mean([(1 - s.base) * s.strengths[p] for s in strengths])
            for p in paths
        }
        shares["base"] = np.mean([s.base for s in strengths])
        text = ", ".join(f"{path} {share:.0%}" for path, share in shares.items())
        print(f"| {name} | {text} |")
    print()


def print_honesty(
    prepared: Prepared, network: SliceNetwork, queries: dict[int, Query]
) -> None:
    """How many maps pass, and the medians of what was measured."""
    print(
        "| map | asked about | honest | like shuffled | median similarity | deletion |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for source, query_name, is_reverse in questions():
        found = []
        for index, query in queries.items():
            asked = query if query_name == "place" else None
            make = map_maker(source, asked, is_reverse=is_reverse)
            found.append(
                exhausted(
                    check_map(
                        prepared,
                        network,
                        index,
                        make,
                        query=asked,
                        is_reverse=is_reverse,
                    )
                )
            )
        similarities = [one.similarity_to_random for one in found]
        n_alike = sum(value > MOST_SIMILAR for value in similarities)
        n_passed = sum(one.passed for one in found)
        gap = median(one.faithfulness for one in found)
        words = f"{query_name}, in reverse" if is_reverse else query_name
        print(
            f"| {source.title} | {words} | {n_passed} of {len(found)} | "
            f"{n_alike} of {len(found)} | {median(similarities):.2f} | {gap:+.2f} |",
            flush=True,
        )


def questions() -> Iterator[tuple[MapSource, str, bool]]:
    """Give every method with the questions that it can answer."""
    for name, method in METHODS.items():
        if name in ("layer", "head"):
            continue  # one of many; `mean` is their mean
        source = MapSource(name)
        if method.can_forward:
            yield source, "slice", False
            yield source, "place", False
        if method.can_reverse:
            yield source, "place", True


if __name__ == "__main__":
    main()
