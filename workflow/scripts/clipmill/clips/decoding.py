"""Stored pictures decoded and made small on the device that looks at them (`frames.decode: gpu`).

By torchvision, nvJPEG on a GPU: its pixels, and those of the resizing in floats, are not those of a CPU's way, so the
key is part of what a result depends on. torchvision 0.29 says that its decoders will move to torchcodec.
"""

import warnings
from itertools import groupby

import torch
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import CenterCrop, Resize
from torchvision.transforms.v2 import functional

from clipmill.engine.batches import Batches


class Stored(Batches):
    """Batches of pictures as JPEG bytes (1-D CPU tensors), whatever their sizes; others (3, H, W) go as they are.

    `parts`: the resizing and cropping of an open_clip transform.
    """

    def __init__(self, run, rows: int, device: str, parts: list[Resize | CenterCrop]):
        super().__init__(run, rows, device)
        self.parts = parts

    def kind(self, tensor: torch.Tensor) -> tuple:
        """What tells items apart that cannot be in one batch."""
        return ("jpeg",) if tensor.ndim == 1 else super().kind(tensor)

    def pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        """JPEG bytes as they are: nvJPEG reads them itself."""
        return tensor if tensor.ndim == 1 else super().pinned(tensor)

    def begin(self, chunk: list[torch.Tensor]):
        """What the network says of these pictures, on the device: (rows, ...)."""
        return self.run(self.ahead(lambda: self.made(chunk))) if chunk[0].ndim == 1 else super().begin(chunk)

    def made(self, chunk: list[torch.Tensor]) -> torch.Tensor:
        """Pictures (rows, 3, H, W) in bytes on the device, the last ones zeros."""
        if self.copies:
            # torchvision decodes on a stream of its own, which does not wait for those who read what lay there before.
            self.copies.synchronize()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pictures = decode_jpeg(chunk, mode=ImageReadMode.RGB, device=self.device)
        # Neighbours are mostly of one video, and so of one size.
        made = [self.fitted(torch.stack(list(some))) for _, some in groupby(pictures, lambda one: one.shape)]
        empty = made[0].new_zeros((self.rows - len(chunk), *made[0].shape[1:]))
        return torch.cat([*made, empty])

    def fitted(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (N, 3, H, W) in bytes at the network's size, computed in floats as every device can."""
        whole = pictures.float()
        for part in self.parts:
            if isinstance(part, CenterCrop):
                whole = part(whole)
            else:
                whole = functional.resize(whole, part.size, part.interpolation, antialias=True)
        return whole.round_().clamp_(0, 255).byte()
