"""Bytes of pictures as networks take them."""

from collections.abc import Sequence


class Normalized:
    """Pictures (N, 3, H, W) in bytes as floats about 0: shares of 255, less a mean, over a deviation, by channel.

    As torchvision's own `normalize`, which copies both numbers to the device and looks at them there for each batch: it
    waits for the batch before.
    """

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], device: str):
        import torch

        self.mean, self.deviation = (
            torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1) for values in (mean, deviation)
        )

    def __call__(self, pictures):
        """Floats (N, 3, H, W) on the same device."""
        return (pictures.float() / 255).sub_(self.mean).div_(self.deviation)
