"""AdversarialConfig: settings of ways to learn that need more than pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field


@dataclass(frozen=True)
class AdversarialConfig:
    """The part of `TrainConfig` about second networks and features of images."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    objective: Annotated[
        Literal["supervised", "gan", "cycle", "missing-modality", "staged"],
        Field(
            title="Objective",
            description="supervised: be close to the real image; exact, a little "
            "smooth. gan: also fool a second network; crisper, may invent detail. "
            "cycle: learn from scans of different subjects, there and back "
            "(CycleGAN). missing-modality: any scan from the others, judged scan by "
            "scan (MM-GAN). staged: enlarge in stages, each better than the last "
            "(P-GAN).",
        ),
    ] = "supervised"
    adversarial_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Adversarial",
            description="Weight of the second network's verdict; not used with "
            "supervised.",
        ),
    ] = 1.0
    gan_loss: Annotated[
        Literal[
            "least-squares",
            "cross-entropy",
            "hinge",
            "wasserstein",
            "wasserstein-gp",
        ],
        Field(
            title="GAN loss",
            description="least-squares as ResViT and CycleGAN; cross-entropy as "
            "pix2pix; hinge; wasserstein with spectral norms; wasserstein-gp with a "
            "gradient penalty.",
        ),
    ] = "least-squares"
    critic: Annotated[
        Literal["patch", "pixel", "srgan", "wgan-vgg", "mm-gan"],
        Field(
            title="Critic",
            description="The second network: patch judges patches of about 70 pixels, "
            "pixel each pixel; srgan and wgan-vgg whole patches of fixed size; mm-gan "
            "each contrast by itself.",
        ),
    ] = "patch"
    critic_layers: Annotated[
        int,
        Field(
            ge=1,
            le=6,
            title="Critic layers",
            description="Strided layers of the patch critic; 3 sees 70 pixels.",
        ),
    ] = 3
    critic_norm: Annotated[
        Literal["batch", "instance", "spectral", "none"],
        Field(
            title="Critic norm",
            description="batch: each slice by its own statistics, as pix2pix at batch "
            "size 1; instance: the same without learnt scales, as CycleGAN; spectral: "
            "of the weights; none: for wasserstein-gp.",
        ),
    ] = "batch"
    critic_sees_source: Annotated[
        bool,
        Field(
            title="Critic sees source",
            description="Show the critic the source too: conditional, as pix2pix.",
        ),
    ] = True
    critic_steps: Annotated[
        int,
        Field(
            ge=1,
            title="Critic steps",
            description="Updates of the critic for one of the network; 5 is usual for "
            "wasserstein-gp.",
        ),
    ] = 1
    gradient_penalty: Annotated[
        float,
        Field(
            ge=0,
            title="Gradient penalty",
            description="Weight of the critic's gradient; only with wasserstein-gp.",
        ),
    ] = 10.0
    perceptual_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Perceptual",
            description="Weight of the difference of image features of a VGG network; "
            "needs its published weights (about 550 MB).",
        ),
    ] = 0.0
    perceptual_layer: Annotated[
        Literal["vgg16-relu2_2", "vgg19-conv2_2", "vgg19-conv5_4", "vgg19-relu5_4"],
        Field(
            title="VGG layer",
            description="Which features: relu2_2 as pGAN, conv5_4 as WGAN-VGG, "
            "relu5_4 as SRGAN.",
        ),
    ] = "vgg19-relu5_4"
    perceptual_error: Annotated[
        Literal["l1", "l2"],
        Field(title="Feature error", description="Mean absolute or squared error."),
    ] = "l2"
    perceptual_imagenet: Annotated[
        bool,
        Field(
            title="ImageNet range",
            description="Show VGG images normalised as ImageNet was; pGAN and "
            "WGAN-VGG show them as they are.",
        ),
    ] = True
    sharpness_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Sharpness",
            description="Weight of the error of the image's Laplacian: keeps fine "
            "detail as sharp as it is.",
        ),
    ] = 0.0
    cycle_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Cycle",
            description="Weight of the error after going there and back; only with "
            "cycle.",
        ),
    ] = 10.0
    identity_weight: Annotated[
        float,
        Field(
            ge=0,
            title="Identity",
            description="Weight, as a share of that of the cycle, of the change of "
            "images that are already of the target's kind; only with cycle.",
        ),
    ] = 0.5
    pool_size: Annotated[
        int,
        Field(
            ge=0,
            title="Image pool",
            description="Earlier results that the critics are shown again; only with "
            "cycle.",
        ),
    ] = 50
    triplet_margin: Annotated[
        float,
        Field(
            ge=0,
            title="Triplet margin",
            description="How much better each stage must be than the last; only with "
            "staged.",
        ),
    ] = 0.1
