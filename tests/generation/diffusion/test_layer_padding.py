"""Single layers of the kinds and sizes of the bundled networks, bit by bit."""

import pytest
import torch

from synthvlm.generation.diffusion.layer_padding import pad_layers

ROWS = 16
PRODUCTS = [
    (48, (192,)),
    (192, (192,)),
    (192, (48,)),
    (128, (128,)),
    (96, (1, 96)),
    (96, (9, 96)),
    (96, (77, 48)),
]
CONVOLUTIONS = [
    torch.nn.Conv2d(4, 4, 1),
    torch.nn.Conv2d(4, 48, 3, padding=1),
    torch.nn.Conv2d(48, 48, 3, padding=1),
    torch.nn.Conv2d(48, 48, 3, padding=1, stride=2),
    torch.nn.Conv2d(96, 48, 3, padding=1),
]


def rows_are_equal(layer, values):
    pad_layers(torch.nn.Sequential(layer))
    torch.set_num_threads(2)
    with torch.no_grad():
        together = layer(values)
        for rows in range(1, ROWS):
            for first in (0, ROWS - rows):
                some = slice(first, first + rows)
                assert torch.equal(layer(values[some].contiguous()), together[some]), rows


@pytest.mark.parametrize(("width", "shape"), PRODUCTS)
def test_a_product_does_not_depend_on_the_number_of_rows(width, shape):
    torch.manual_seed(0)
    layer = torch.nn.Linear(width, shape[-1])
    rows_are_equal(layer, torch.randn(ROWS, *shape[:-1], width))


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("side", [8, 16, 32])
def test_a_convolution_does_not_depend_on_the_number_of_rows(layer, side):
    torch.manual_seed(0)
    rows_are_equal(layer, torch.randn(ROWS, layer.in_channels, side, side))


def test_only_what_is_too_small_is_padded():
    seen = []
    network = torch.nn.ModuleList([torch.nn.Linear(8, 8), torch.nn.Conv2d(8, 8, 1)])
    product, convolution = network
    for layer in network:
        forward = layer.forward
        layer.forward = lambda values, forward=forward: seen.append(len(values)) or forward(values)
    pad_layers(network)
    product(torch.ones(1, 8))
    product(torch.ones(3, 8))
    product(torch.ones(5, 8))
    product(torch.ones(1, 77, 8))
    product(torch.ones(1, 64, 8))
    convolution(torch.ones(1, 8, 16, 16))
    convolution(torch.ones(2, 8, 16, 16))
    convolution(torch.ones(1, 8, 64, 64))
    assert seen == [4, 4, 8, 80, 1, 2, 2, 1]
