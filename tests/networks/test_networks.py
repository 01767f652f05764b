"""Networks: state-dict keys, sizes and outputs, against the reference's tables written out here once more."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import DiscriminatorConfig, GeneratorConfig, GeneratorName, Norm
from cyclegan.networks.build import (
    build_discriminator,
    build_generator,
    for_translation,
    initialize,
    parameter_count,
    use_image_statistics,
)
from cyclegan.networks.layers import DoublingConv, HalvingConv, InstanceNorm, ReflectionPad
from cyclegan.networks.packing import SquaresConv, can_pack, pack

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

BLOCKS = {"resnet_9blocks": 9, "resnet_6blocks": 6}
LEVELS = {"unet_256": 8, "unet_128": 7}
SMALLEST = {"resnet_9blocks": 8, "resnet_6blocks": 8, "unet_256": 256, "unet_128": 128}
ARCHITECTURES = pytest.mark.parametrize("architecture", [*BLOCKS, *LEVELS])
NORMS = pytest.mark.parametrize("norm", ["instance", "batch"])
DROPOUT = pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])


def meta_generator(architecture: GeneratorName, norm: Norm, dropout: bool = False) -> nn.Module:
    """At full width, without memory."""
    with torch.device("meta"):
        return build_generator(GeneratorConfig(architecture, norm=norm, dropout=dropout))


def small_generator(architecture: GeneratorName, norm: Norm, dropout: bool = False, width: int = 2) -> nn.Module:
    """In float64, with every stored value random, and gains at which every layer matters."""
    network = build_generator(GeneratorConfig(architecture, width, norm, dropout)).double()
    randomize(network)
    return network


def randomize(network: nn.Module, seed: int = 0) -> None:
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 4:
            fan_in = tensor[0].numel()
            tensor.copy_(torch.randn(tensor.shape, generator=rng) * (2 / fan_in) ** 0.5)
        elif name.endswith(("running_var", "weight")):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
        elif tensor.is_floating_point():
            tensor.copy_(0.2 * torch.randn(tensor.shape, generator=rng))


def images(count: int, size: int, channels: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(count)
    return 2 * torch.rand(count, channels, size, size, generator=rng, dtype=torch.float64) - 1


def shapes_of(network: nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def conv_shapes(name: str, shape: tuple[int, ...], bias: int) -> Shapes:
    return {f"{name}.weight": shape} | ({f"{name}.bias": (bias,)} if bias else {})


def norm_shapes(name: str, channels: int, norm: Norm) -> Shapes:
    """Batch normalisation has five entries, instance normalisation none."""
    if norm == "instance":
        return {}
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{each}": (channels,) for each in names} | {f"{name}.num_batches_tracked": ()}


def resnet_shapes(blocks: int, norm: Norm, dropout: bool) -> Shapes:
    """Table c3."""
    instance, last = norm == "instance", 10 + blocks
    second = 6 if dropout else 5
    expected = conv_shapes("model.1", (64, 3, 7, 7), 64 * instance) | norm_shapes("model.2", 64, norm)
    expected |= conv_shapes("model.4", (128, 64, 3, 3), 128 * instance) | norm_shapes("model.5", 128, norm)
    expected |= conv_shapes("model.7", (256, 128, 3, 3), 256 * instance) | norm_shapes("model.8", 256, norm)
    for block in range(10, last):
        for index in (1, second):
            name = f"model.{block}.conv_block.{index}"
            expected |= conv_shapes(name, (256, 256, 3, 3), 256 * instance)
            expected |= norm_shapes(f"model.{block}.conv_block.{index + 1}", 256, norm)
    expected |= conv_shapes(f"model.{last}", (256, 128, 3, 3), 128 * instance)
    expected |= norm_shapes(f"model.{last + 1}", 128, norm)
    expected |= conv_shapes(f"model.{last + 3}", (128, 64, 3, 3), 64 * instance)
    expected |= norm_shapes(f"model.{last + 4}", 64, norm)
    return expected | conv_shapes(f"model.{last + 7}", (3, 64, 7, 7), 3)


def unet_prefixes(levels: int) -> list[str]:
    """P0 to the innermost level of table c4."""
    return ["model.model", *(f"model.model.1.model{'.3.model' * depth}" for depth in range(levels - 1))]


def unet_shapes(levels: int, norm: Norm) -> Shapes:
    """Table c4."""
    instance = norm == "instance"
    outermost, *middle, innermost = unet_prefixes(levels)
    channels = [(64, 128), (128, 256), (256, 512), *[(512, 512)] * (levels - 5)]
    expected = conv_shapes(f"{outermost}.0", (64, 3, 4, 4), 64 * instance)
    for prefix, (outer, inner) in zip(middle, channels, strict=True):
        expected |= conv_shapes(f"{prefix}.1", (inner, outer, 4, 4), inner * instance)
        expected |= norm_shapes(f"{prefix}.2", inner, norm)
        expected |= conv_shapes(f"{prefix}.5", (2 * inner, outer, 4, 4), outer * instance)
        expected |= norm_shapes(f"{prefix}.6", outer, norm)
    expected |= conv_shapes(f"{innermost}.1", (512, 512, 4, 4), 512 * instance)
    expected |= conv_shapes(f"{innermost}.3", (512, 512, 4, 4), 512 * instance)
    expected |= norm_shapes(f"{innermost}.4", 512, norm)
    return expected | conv_shapes(f"{outermost}.3", (128, 3, 4, 4), 3)


def patch_shapes(in_channels: int, norm: Norm) -> Shapes:
    """Section c5."""
    instance = norm == "instance"
    expected = conv_shapes("model.0", (64, in_channels, 4, 4), 64)
    for index, (inner, outer) in ((2, (64, 128)), (5, (128, 256)), (8, (256, 512))):
        expected |= conv_shapes(f"model.{index}", (outer, inner, 4, 4), outer * instance)
        expected |= norm_shapes(f"model.{index + 1}", outer, norm)
    return expected | conv_shapes("model.11", (1, 512, 4, 4), 1)


class Functional:
    """The networks as plain functions of a state dict, layer after layer as the tables list them."""

    def __init__(self, state: State, *, training: bool, dropout: bool) -> None:
        self.state, self.training, self.with_dropout = state, training, dropout

    def conv(self, x: Tensor, name: str, **options: Any) -> Tensor:
        return F.conv2d(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **options)

    def deconv(self, x: Tensor, name: str, **options: Any) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state.get(f"{name}.bias")
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, **options)

    def norm(self, x: Tensor, name: str) -> Tensor:
        if f"{name}.weight" not in self.state:
            return F.instance_norm(x)
        mean, variance = (self.state[f"{name}.running_{each}"].clone() for each in ("mean", "var"))
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.batch_norm(x, mean, variance, weight, bias, training=self.training)

    def dropout(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, self.training) if self.with_dropout else x

    def resnet(self, x: Tensor, blocks: int) -> Tensor:
        second, last = 6 if self.with_dropout else 5, 10 + blocks
        x = F.relu(self.norm(self.conv(reflect(x, 3), "model.1"), "model.2"))
        x = F.relu(self.norm(self.conv(x, "model.4", stride=2, padding=1), "model.5"))
        x = F.relu(self.norm(self.conv(x, "model.7", stride=2, padding=1), "model.8"))
        for block in range(10, last):
            name = f"model.{block}.conv_block"
            y = F.relu(self.norm(self.conv(reflect(x, 1), f"{name}.1"), f"{name}.2"))
            y = self.conv(reflect(self.dropout(y), 1), f"{name}.{second}")
            x = x + self.norm(y, f"{name}.{second + 1}")
        x = F.relu(self.norm(self.deconv(x, f"model.{last}", output_padding=1), f"model.{last + 1}"))
        x = F.relu(self.norm(self.deconv(x, f"model.{last + 3}", output_padding=1), f"model.{last + 4}"))
        return torch.tanh(self.conv(reflect(x, 3), f"model.{last + 7}"))

    def unet(self, x: Tensor, levels: int) -> Tensor:
        outermost, *middle, innermost = unet_prefixes(levels)
        x = self.conv(x, f"{outermost}.0", stride=2, padding=1)
        skips = []
        for prefix in middle:
            # The reference's LeakyReLU works in place, so this is what its skip connection carries.
            skips.append(F.leaky_relu(x, 0.2))
            x = self.norm(self.conv(skips[-1], f"{prefix}.1", stride=2, padding=1), f"{prefix}.2")
        skips.append(F.leaky_relu(x, 0.2))
        x = self.conv(skips[-1], f"{innermost}.1", stride=2, padding=1)
        x = self.norm(self.deconv(F.relu(x), f"{innermost}.3"), f"{innermost}.4")
        for depth, prefix in reversed(list(enumerate(middle, 1))):
            x = F.relu(torch.cat([skips[depth], x], 1))
            x = self.norm(self.deconv(x, f"{prefix}.5"), f"{prefix}.6")
            x = self.dropout(x) if depth >= 4 else x
        return torch.tanh(self.deconv(F.relu(torch.cat([skips[0], x], 1)), f"{outermost}.3"))

    def patch(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv(x, "model.0", stride=2, padding=1), 0.2)
        for index, stride in ((2, 2), (5, 2), (8, 1)):
            x = self.conv(x, f"model.{index}", stride=stride, padding=1)
            x = F.leaky_relu(self.norm(x, f"model.{index + 1}"), 0.2)
        return self.conv(x, "model.11", padding=1)

    def generator(self, x: Tensor, architecture: str) -> Tensor:
        if architecture in BLOCKS:
            return self.resnet(x, BLOCKS[architecture])
        return self.unet(x, LEVELS[architecture])


def reflect(x: Tensor, pixels: int) -> Tensor:
    return F.pad(x, (pixels,) * 4, mode="reflect")


PARAMETERS = {"resnet_9blocks": 11_378_179, "resnet_6blocks": 7_837_699, "unet_256": 54_413_955, "unet_128": 41_828_995}


@ARCHITECTURES
@NORMS
@DROPOUT
def test_generators_have_the_references_keys_shapes_and_sizes(
    architecture: GeneratorName, norm: Norm, dropout: bool
) -> None:
    network = meta_generator(architecture, norm, dropout)
    if architecture in BLOCKS:
        assert shapes_of(network) == resnet_shapes(BLOCKS[architecture], norm, dropout)
    else:
        assert shapes_of(network) == unet_shapes(LEVELS[architecture], norm)
    if norm == ("instance" if architecture in BLOCKS else "batch"):  # the papers'
        assert parameter_count(network) == PARAMETERS[architecture]


@pytest.mark.parametrize(("in_channels", "norm", "parameters"), [(6, "batch", 2_768_705), (3, "instance", 2_764_737)])
def test_discriminators_have_the_references_keys_shapes_and_sizes(
    in_channels: int, norm: Norm, parameters: int
) -> None:
    with torch.device("meta"):
        network = build_discriminator(DiscriminatorConfig(norm=norm), in_channels=in_channels)
    assert shapes_of(network) == patch_shapes(in_channels, norm)
    assert parameter_count(network) == parameters


@ARCHITECTURES
@NORMS
@DROPOUT
def test_generators_compute_what_the_tables_say(architecture: GeneratorName, norm: Norm, dropout: bool) -> None:
    network = small_generator(architecture, norm, dropout).eval()
    x = images(2, max(32, SMALLEST[architecture]))
    with torch.no_grad():
        output = network(x)
        expected = Functional(network.state_dict(), training=False, dropout=dropout).generator(x, architecture)
    assert output.shape == x.shape
    assert output.std() > 0.1, "the outputs are too flat for the comparison to mean much"
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-9)


@ARCHITECTURES
@NORMS
@DROPOUT
@pytest.mark.parametrize("count", [1, 2])
def test_generators_in_training_have_the_outputs_and_gradients_of_the_tables(
    architecture: GeneratorName, norm: Norm, dropout: bool, count: int
) -> None:
    """For one image too, whose batch dimension can have any stride: some kernels of PyTorch's then err."""
    network = small_generator(architecture, norm, dropout).train()
    x = images(count, max(32, SMALLEST[architecture]))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = {name: state[name].requires_grad_() for name, _ in network.named_parameters()}
    torch.manual_seed(5)
    output = network(x)
    torch.manual_seed(5)
    expected = Functional(state, training=True, dropout=dropout).generator(x, architecture)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-9)
    gradients = torch.autograd.grad(output.square().sum(), list(network.parameters()))
    by_tables = torch.autograd.grad(expected.square().sum(), list(weights.values()))
    for name, ours, theirs in zip(weights, gradients, by_tables, strict=True):
        assert (ours - theirs).abs().max() < 1e-9 * max(1.0, theirs.abs().max().item()), name


@NORMS
def test_the_discriminator_computes_what_the_table_says(norm: Norm) -> None:
    network = build_discriminator(DiscriminatorConfig(width=4, norm=norm), in_channels=6).double().eval()
    randomize(network)
    x = images(2, 64, channels=6)
    with torch.no_grad():
        expected = Functional(network.state_dict(), training=False, dropout=False).patch(x)
        torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("size", [(2, 2), (4, 16), (16, 8), (32, 32)])
@pytest.mark.parametrize("layer", [HalvingConv, DoublingConv])
def test_unet_convolutions_are_pytorchs_at_every_size(
    layer: type[HalvingConv | DoublingConv], size: tuple[int, int], bias: bool
) -> None:
    ours = layer(6, 5, bias=bias).double()
    plain = F.conv2d if layer is HalvingConv else F.conv_transpose2d
    x = images(3, 32, 6)[..., : size[0], : size[1]].requires_grad_()
    outputs = [ours(x), plain(x, ours.weight, ours.bias, stride=2, padding=1)]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    inputs = [x, *ours.parameters()]
    gradients = [torch.autograd.grad(output.square().sum(), inputs) for output in outputs]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_each_of_30_x_30_logits_sees_a_patch_of_70_x_70_pixels() -> None:
    # Without a norm: its statistics would see the whole image.
    network = build_discriminator(DiscriminatorConfig(width=2, norm="none"), in_channels=3).double()
    x = images(1, 256).requires_grad_()
    logits = network(x)
    assert logits.shape == (1, 1, 30, 30)
    (gradient,) = torch.autograd.grad(logits[0, 0, 15, 15], x)
    seen = gradient[0].abs().sum(0) > 0
    assert (int(seen.any(1).sum()), int(seen.any(0).sum()), int(seen.sum())) == (70, 70, 70 * 70)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("side", [2, 12, 24])
def test_instance_norm_is_pytorchs(dtype: torch.dtype, count: int, layout: torch.memory_format, side: int) -> None:
    x = (3 * images(count, side, channels=5) + 1).to(dtype).contiguous(memory_format=layout)
    tolerance = 1e-11 if dtype == torch.float64 else 0.02
    wide = x.double().requires_grad_()
    expected = F.instance_norm(wide)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            output = InstanceNorm(5)(x.requires_grad_(grad))
        assert output.dtype == dtype
        torch.testing.assert_close(output.double(), expected, rtol=0, atol=tolerance)
    upstream = images(count, side, channels=5) ** 2
    gradients = [torch.autograd.grad(output, x, upstream.to(dtype)), torch.autograd.grad(expected, wide, upstream)]
    torch.testing.assert_close(gradients[0][0].double(), gradients[1][0], rtol=0, atol=5 * tolerance)


@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_is_exact_for_flat_maps_in_fp32(affine: bool) -> None:
    """As label maps give: the deviation is a thousandth of the mean."""
    x = (3 + images(1, 128, channels=5) / 1000).float().contiguous(memory_format=torch.channels_last)
    norm = InstanceNorm(5, affine=affine)
    with torch.inference_mode():
        torch.testing.assert_close(norm(x).double(), F.instance_norm(x.double()), rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", ["resnet_6blocks", "unet_128"])
def test_image_statistics_are_the_batch_statistics_of_one_image(architecture: GeneratorName) -> None:
    network = small_generator(architecture, "batch").train()
    batch = images(3, SMALLEST[architecture])
    alone = [network(image) for image in batch.split(1)]
    use_image_statistics(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            for each, expected in zip(batch.split(1), alone, strict=True):
                torch.testing.assert_close(network(each), expected, rtol=0, atol=1e-10)
            torch.testing.assert_close(network(batch), torch.cat(alone), rtol=0, atol=1e-10)


def test_a_network_for_translation_leaves_the_original_as_it_was() -> None:
    network = small_generator("unet_128", "batch", dropout=True).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    translating = for_translation(network)
    x = images(1, 128)
    first, second = translating(x), translating(x)
    assert torch.equal(first, second), "dropout is on"
    assert not first.requires_grad
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not {each.data_ptr() for each in translating.parameters()} & {each.data_ptr() for each in after.values()}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_packed_weights_translate_alike(dtype: torch.dtype, tolerance: float) -> None:
    plain = for_translation(small_generator("unet_128", "batch"), dtype=dtype)
    packed = for_translation(plain)
    pack(packed)
    assert can_pack(dtype) and not any(isinstance(each, nn.Conv2d | nn.ConvTranspose2d) for each in packed.modules())
    for size in (128, 256):
        x = images(1, size).to(dtype)
        with torch.inference_mode():
            torch.testing.assert_close(packed(x), plain(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_last_convolution_of_a_resnet_gives_the_same_by_squares(dtype: torch.dtype) -> None:
    plain = for_translation(small_generator("resnet_6blocks", "instance"), dtype=dtype)
    packed = for_translation(plain)
    pack(packed)
    assert any(isinstance(each, SquaresConv) for each in packed.modules())
    x = images(1, 64)[..., :36].to(dtype)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), plain(x), rtol=0, atol=1e-6 if dtype is torch.float32 else 0.01)


def test_packing_draws_nothing_and_leaves_what_cannot_be_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = for_translation(small_generator("unet_128", "batch"))
    before = list(network.modules())
    pack(network)  # float64
    assert list(network.modules()) == before
    can_pack.cache_clear()
    state = torch.get_rng_state()
    pack(network.float())
    assert torch.equal(torch.get_rng_state(), state) and list(network.modules()) != before
    can_pack.cache_clear()
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    assert not can_pack(torch.float32)
    can_pack.cache_clear()


def test_initial_weights_are_normal_and_biases_zero() -> None:
    torch.manual_seed(0)
    network = build_generator(GeneratorConfig("resnet_9blocks", width=16, norm="batch"))
    initialize(network, 0.02)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = torch.cat([each.flatten() for each in network.parameters() if each.ndim == 4]) / 0.02
    scales = (torch.cat([module.weight for module in norms]) - 1) / 0.02
    # Of a normal distribution 4.55 % lie beyond two standard deviations; of a uniform one none.
    for values, tolerance in ((convolutions, 0.01), (scales, 0.1)):
        assert values.mean().item() == pytest.approx(0, abs=tolerance)
        assert values.std().item() == pytest.approx(1, abs=tolerance)
        assert (values.abs() > 2).float().mean().item() == pytest.approx(0.0455, abs=tolerance / 2)
    assert not any(each.any() for name, each in network.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(
    ("architecture", "width", "height", "reason"),
    [
        ("resnet_9blocks", 64, 66, "multiples of 4"),
        ("resnet_6blocks", 64, 4, "have 8 pixels or more"),
        ("unet_256", 256, 320, "multiples of 256"),
        ("unet_128", 64, 128, "multiples of 128"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(architecture: GeneratorName, width: int, height: int, reason: str) -> None:
    with pytest.raises(ValueError, match=f"image is {width}x{height}; both sides must .*{reason}"):
        small_generator(architecture, "instance")(torch.zeros(1, 3, height, width, dtype=torch.float64))


def test_reflection_under_autocast_keeps_the_precision_of_the_image() -> None:
    x = images(2, 8, channels=4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        padded = ReflectionPad(2)(x)
    assert padded.dtype == torch.bfloat16
    assert torch.equal(padded, F.pad(x, (2, 2, 2, 2), mode="reflect"))
