"""TrainConfig: how a model learns. The only list of these settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from .adversarial_config import AdversarialConfig

Beta = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class TrainConfig(AdversarialConfig):
    """Settings of one training run; each field's description is its tooltip.

    The dock makes its form of these fields, ``medsynth finetune`` reads them from JSON
    and ``medsynth train`` from TOML, checked by pydantic (`read_job`).

    Notes
    -----
    ResViT's published recipe: gan, l1 100, reconstruction 100, adversarial 1, Adam
    (0.5, 0.999), linear decay, batch 1, no clipping, no mean of the weights.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    epochs: Annotated[
        int,
        Field(ge=1, title="Epochs", description="How often every slice is seen."),
    ] = 10
    learning_rate: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            title="Learning rate",
            description="Size of a step. Too high forgets what the model knew, too low "
            "learns nothing new; 1e-4 is right for most fine-tuning.",
        ),
    ] = 1e-4
    batch_size: Annotated[
        int,
        Field(
            ge=0,
            title="Batch size",
            description="Slices per step; 0 measures what runs fastest. More is "
            "smoother but needs more memory.",
        ),
    ] = 0
    trained: Annotated[
        Literal["everything", "decoder", "transformer", "lora"],
        Field(
            title="What is trained",
            description="everything adapts most; decoder keeps what the encoder sees "
            "(bottleneck and decoder learn); transformer changes only where the model "
            "looks; lora adds few numbers to the attention: for very little data.",
        ),
    ] = "everything"
    lora_rank: Annotated[
        int,
        Field(
            ge=1,
            le=256,
            title="LoRA rank",
            description="Freedom of each attention projection; only used with lora.",
        ),
    ] = 8
    freeze_norm: Annotated[
        bool,
        Field(
            title="Freeze batch norm",
            description="Keep the statistics of the base model's training data: safer "
            "with few samples. No effect on models that normalise slice by slice.",
        ),
    ] = True
    l1_weight: Annotated[
        float,
        Field(
            ge=0,
            title="L1",
            description="Weight of the mean absolute error of what is synthesised.",
        ),
    ] = 1.0
    l2_weight: Annotated[
        float,
        Field(
            ge=0,
            title="L2",
            description="Weight of the mean squared error: punishes large errors, "
            "smooths.",
        ),
    ] = 0.0
    ssim_weight: Annotated[
        float,
        Field(
            ge=0,
            title="SSIM",
            description="Weight of 1 - SSIM: keeps local structure, not brightness.",
        ),
    ] = 0.0
    gradient_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Gradient difference",
            description="Weight of the error of the image gradients: keeps edges.",
        ),
    ] = 0.2
    reconstruction_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Reconstruction",
            description="Weight of the L1 error on the scans that were given; keeps a "
            "unified model faithful to them.",
        ),
    ] = 0.1
    availability: Annotated[
        Literal["all", "leave-one-out", "curriculum"],
        Field(
            title="Missing scans",
            description="Which scans are hidden in training: all: any of them, in any "
            "combination; leave-one-out: always exactly one; curriculum: one at first, "
            "any combination from the middle on (MM-GAN).",
        ),
    ] = "all"
    flip: Annotated[
        bool,
        Field(
            title="Mirror",
            description="Show slices left-right mirrored too; never done where the "
            "model's card forbids it.",
        ),
    ] = True
    affine: Annotated[
        float,
        Field(
            ge=0,
            le=3,
            title="Move",
            description="Random turns, shifts and scalings: 1 is about 5 degrees, 3 "
            "pixels and 7 %; 0 none.",
        ),
    ] = 0.5
    intensity: Annotated[
        float,
        Field(
            ge=0,
            le=3,
            title="Vary intensity",
            description="Random shading, contrast and noise: 1 is usual; 0 none.",
        ),
    ] = 0.5
    patch_size: Annotated[
        int,
        Field(
            ge=0,
            title="Patch size",
            description="Side of random patches [pixel]; 0 trains on whole slices.",
        ),
    ] = 0
    schedule: Annotated[
        Literal["linear", "cosine", "step", "constant"],
        Field(
            title="Schedule",
            description="How the learning rate falls: linear after the first epochs, "
            "as ResViT does; cosine from the start; step every few epochs, as EDSR; "
            "constant never.",
        ),
    ] = "cosine"
    step_epochs: Annotated[
        int,
        Field(ge=1, title="Step epochs", description="Epochs between two steps down."),
    ] = 100
    step_factor: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            title="Step factor",
            description="What the learning rate is multiplied with at each step down.",
        ),
    ] = 0.5
    decay_epochs: Annotated[
        int,
        Field(
            ge=0,
            title="Decay epochs",
            description="Last epochs, in which a linear schedule falls to zero.",
        ),
    ] = 0
    warmup_steps: Annotated[
        int,
        Field(
            ge=0,
            title="Warm-up steps",
            description="First steps, in which the learning rate rises: protects what "
            "the model knows.",
        ),
    ] = 20
    beta1: Annotated[
        Beta,
        Field(title="Adam beta 1", description="Memory of Adam's direction."),
    ] = 0.9
    beta2: Annotated[
        Beta,
        Field(title="Adam beta 2", description="Memory of Adam's step sizes."),
    ] = 0.99
    clip: Annotated[
        float,
        Field(
            ge=0,
            title="Clip gradient",
            description="Largest length of a gradient; stops single bad slices from "
            "wrecking the model. 0: no limit.",
        ),
    ] = 1.0
    ema: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            title="Mean of weights",
            description="Decay of the running mean of the weights, which is what is "
            "kept: steadier results. 0: keep the last weights.",
        ),
    ] = 0.99
    accumulate: Annotated[
        int,
        Field(
            ge=1,
            title="Accumulate",
            description="Parts that a batch is computed in: less memory, same result "
            "(but for batch norms that are not frozen).",
        ),
    ] = 1
    patience: Annotated[
        int,
        Field(
            ge=0,
            title="Patience",
            description="Stop after so many epochs without a better validation error; "
            "0: never.",
        ),
    ] = 0
    steps_per_epoch: Annotated[
        int,
        Field(
            ge=0,
            title="Steps per epoch",
            description="0: as many as all slices need.",
        ),
    ] = 0
    checkpoint_every: Annotated[
        int,
        Field(
            ge=0,
            title="Checkpoint every",
            description="Steps between checkpoints, besides that of every epoch; 0: "
            "only those.",
        ),
    ] = 0
    device: Annotated[
        str,
        Field(
            title="Device",
            description="auto takes a GPU if there is one; or cpu, cuda, cuda:1.",
        ),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Field(
            title="Precision",
            description="bf16 is faster on new hardware; the weights stay fp32. auto "
            "is fp32 for models that restore: bf16 has steps of 16 HU.",
        ),
    ] = "auto"
    n_threads: Annotated[
        int,
        Field(
            ge=0,
            title="CPU threads",
            description="0: all of them.",
        ),
    ] = 0
    seed: Annotated[
        int,
        Field(
            ge=0,
            title="Seed",
            description="Equal seeds and batch sizes give equal weights on one CPU.",
        ),
    ] = 0
