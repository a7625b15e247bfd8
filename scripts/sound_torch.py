"""sound_torch.py - PyTorch proves itself, before anything is compared with it, on layers whose answers are known.

With the OpenBLAS 0.3.21 of Debian 12 it fails on Intel processors with AVX-512, such as Sapphire Rapids: the same sum is
rounded in another way where it stands at a matrix's edge. That breaks ties between maxima, and the gradient of the input
is off by some percent. OpenBLAS's code for Haswell, which those processors run as well, passes.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

from needs import run_again

CORE, WORKAROUND = "OPENBLAS_CORETYPE", "Haswell"

# Those of the networks that are compared: maps in, maps out and the input's side of convolutions with 5x5 weights;
# values in and out of dense layers.
CONVOLUTIONS = [(1, 6, 32), (6, 16, 14)]
DENSE = [(400, 120), (120, 84), (84, 10), (1024, 300), (300, 10), (1024, 10)]


def integers(*shape):
    """-8 to 8: products of them and their sums are exact, in float too."""
    return np.random.default_rng(1).integers(-8, 9, shape)


def dense(x, weight, gradient):
    """The values of a dense layer, the gradient of its input and that of its weights."""
    return x @ weight.T, gradient @ weight, gradient.T @ x


def convolution(x, weight, gradient):
    """The same of a convolution."""
    def windows(values, side):
        return np.lib.stride_tricks.sliding_window_view(values, (side, side), (2, 3))
    side = weight.shape[-1]
    padded = np.pad(gradient, ((0, 0), (0, 0), (side - 1, side - 1), (side - 1, side - 1)))
    return (np.einsum("nihwyx,oiyx->nohw", windows(x, side), weight),
            np.einsum("nohwyx,oiyx->nihw", windows(padded, side), weight[..., ::-1, ::-1]),
            np.einsum("niyxhw,nohw->oiyx", windows(x, gradient.shape[-1]), gradient))


def wrong_product(dtype, batch):
    """Layers of integers, forward and backward: what is not exact, in words, or None."""
    layers = [("conv2d", F.conv2d, convolution, (batch, i, side, side), (o, i, 5, 5), (batch, o, side - 4, side - 4))
              for i, o, side in CONVOLUTIONS]
    layers += [("linear", F.linear, dense, (batch, i), (o, i), (batch, o)) for i, o in DENSE]
    for name, layer, known, *shapes in layers:
        values = [integers(*shape) for shape in shapes]
        x, weight, gradient = (torch.tensor(value, dtype=dtype) for value in values)
        y = layer(x.requires_grad_(), weight.requires_grad_())
        found = (y.detach(), *torch.autograd.grad(y, (x, weight), gradient))
        for part, value, wanted in zip(("values", "input's gradient", "weights' gradient"), found, known(*values)):
            wrong = np.count_nonzero(value.numpy() != wanted)
            if wrong:
                return f"{wrong} of {wanted.size} numbers of the {part} of {name} are wrong"
    return None


def unequal_sums(dtype, batch):
    """Convolutions of images of one grey: in words, that the pixels of a map differ, or None."""
    for maps_in, maps_out, side in CONVOLUTIONS:
        weight = torch.randn((maps_out, maps_in, 5, 5), generator=torch.Generator().manual_seed(1), dtype=dtype)
        y = F.conv2d(torch.full((batch, maps_in, side, side), -0.4242, dtype=dtype), weight)
        wrong = int((y != y[:1, :, :1, :1]).sum())
        if wrong:
            return f"{wrong} of {y.numel()} equal sums of conv2d are rounded in another way than the first"
    return None


def prove(dtype, *checks, batches):
    """Runs the script again with the workaround where a check finds something; returns what it finds even so, or None."""
    found = next(filter(None, (check(dtype, batch) for check in checks for batch in batches)), None)
    if found and not worked_around():
        run_again({CORE: WORKAROUND})
    return found and f"PyTorch {torch.__version__} is no oracle here, not with {CORE}={WORKAROUND} either: {found}"


def worked_around():
    return os.environ.get(CORE) == WORKAROUND
