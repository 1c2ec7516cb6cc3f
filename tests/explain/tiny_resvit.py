"""A ResViT of two blocks, the first with a transformer, and its card."""

import torch

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.models.resvit import ResViT

CARD = ModelCard(
    id="tiny",
    family="resvit",
    task="synthesis",
    title="Tiny",
    factory="napari_medsynth.models.resvit:ResViT",
    inputs=("T1", "T2"),
    outputs=("FLAIR",),
    size_multiple=16,
)


def resvit(statistics="running"):
    """Two blocks, the first with a transformer; norms far from the identity."""
    torch.manual_seed(3)
    model = ResViT(
        2,
        1,
        width=4,
        n_blocks=2,
        transformer_blocks=(1,),
        embed_dim=8,
        depth=2,
        n_heads=2,
        mlp_dim=16,
        token_grid=(2, 2),
    ).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.5)
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    set_norm_statistics(model, statistics)
    return model
