"""The ways to make a map, in words, and which of them a map shows. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ATTENTION_METHODS = ("rollout", "chain", "mean", "layer", "head")


@dataclass(frozen=True)
class Method:
    """One way to make a map.

    Parameters
    ----------
    title : str
        For lists: "Integrated gradients".
    description : str
        One sentence for a tooltip.
    reference : str
        Where it was published; "" if it is the attention itself.
    needs_attention : bool
        Only models with a transformer can be asked.
    can_forward, can_reverse : bool
        It answers "where did the model look to paint this?"; "what used this?".
    resolution : {"tokens", "pixels"}
        What the map consists of.
    is_signed : bool
        Values below 0 mean something: show it with a diverging colormap.
    """

    title: str
    description: str
    reference: str = ""
    needs_attention: bool = False
    can_forward: bool = True
    can_reverse: bool = False
    resolution: str = "pixels"
    is_signed: bool = False


def _attention(title: str, description: str, reference: str = "") -> Method:
    return Method(title, description, reference, True, True, True, "tokens")


METHODS: Mapping[str, Method] = {
    "rollout": _attention(
        "Rollout",
        "The attention of all layers of a block multiplied, half of it replaced by "
        "the identity for the skip connections.",
        "Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928",
    ),
    "chain": _attention(
        "Rollout without identity",
        "The attention of all layers of a block multiplied, as ResViT's authors draw "
        "it.",
        "https://github.com/icon-lab/ResViT/issues/16",
    ),
    "mean": _attention(
        "Mean of layers", "The attention averaged over the heads and layers of a block."
    ),
    "layer": _attention(
        "Layer", "The attention of one layer, averaged over its heads."
    ),
    "head": _attention("Head", "The attention of one head of one layer."),
    "relevance": Method(
        "Relevance",
        "Attention weighted by how much brighter it makes the place, layer by layer.",
        "Chefer, Gur and Wolf 2021, https://arxiv.org/abs/2103.15679",
        needs_attention=True,
        resolution="tokens",
    ),
    "gradient_times_input": Method(
        "Gradient x input",
        "How much every pixel above background brightens (+) or darkens (-) the "
        "place, if the model were linear.",
        "Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713",
        is_signed=True,
    ),
    "integrated_gradients": Method(
        "Integrated gradients",
        "The share of every pixel in what the place owes to the images, summed on the "
        "way from background to them.",
        "Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365",
        is_signed=True,
    ),
    "occlusion": Method(
        "Occlusion",
        "What changes in the synthesis when the place is replaced by background in "
        "all sources.",
        "Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901",
        can_forward=False,
        can_reverse=True,
        is_signed=True,
    ),
}


@dataclass(frozen=True)
class MapSource:
    """What a map shows.

    Parameters
    ----------
    method : str
        One of `METHODS`. Those of `ATTENTION_METHODS` are the attention itself:

        - "rollout": the layers of a block multiplied, with the identity: (A + I) / 2;
        - "chain": the same without the identity;
        - "mean": their mean, over layers and heads;
        - "layer": one layer, mean over heads;
        - "head": one head of one layer.
    block : str
        ART block, "art_1"; "" is the mean over all of them.
    layer, head : int
        Counted from 0; of "layer" and "head" only.
    """

    method: str = "rollout"
    block: str = ""
    layer: int = 0
    head: int = 0

    @property
    def title(self) -> str:
        """For captions: "rollout art_1", "head art_6 layer 3 head 2"."""
        if self.method in METHODS and not METHODS[self.method].needs_attention:
            return METHODS[self.method].title.lower()
        parts = [self.method, self.block or "all blocks"]
        if self.method in ("layer", "head"):
            parts.append(f"layer {self.layer + 1}")
        if self.method == "head":
            parts.append(f"head {self.head + 1}")
        return " ".join(parts)
