"""RAFT (Teed and Deng, ECCV 2020) of torchvision for consecutive frames, without what torchvision does twice.

A frame that two pairs share is encoded once, and the flow is enlarged once, after the last update, in place of after
each. That is a sixth of the operations of RAFT-large, and changes no value.
"""

import torch
from torch import nn
from torchvision.models import optical_flow
from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

from clipmill.engine.batches import Batches

UPDATES = 12
"""torchvision's default."""


class Raft(nn.Module):
    """torchvision's `raft_small` or `raft_large` with the weights of a file."""

    def __init__(self, name: str, weights: str):
        super().__init__()
        self.parts = getattr(optical_flow, name)()
        self.parts.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    def forward(self, first: torch.Tensor, second: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Flow (N, 2, H, W), pixels, from frames to others. `frames` (M, 3, H, W) are floats from -1 to 1; `first` and
        `second` say by number which of them the pairs are of, and lie on the CPU: nothing waits for the device."""
        # What torchvision makes on the CPU it makes on the device here: a copy would wait for what is queued there.
        with torch.device(frames.device):
            return self._flow(first.tolist(), second.tolist(), frames)

    def _flow(self, first: list[int], second: list[int], frames: torch.Tensor) -> torch.Tensor:
        parts, (height, width) = self.parts, (side // 8 for side in frames.shape[2:])
        features = parts.feature_encoder(frames)
        parts.corr_block.build_pyramid(_picked(features, first), _picked(features, second))
        seen = parts.context_encoder(_picked(frames, first))
        hidden = parts.update_block.hidden_state_size
        state, context = seen[:, :hidden].tanh(), seen[:, hidden:].relu()
        start = make_coords_grid(len(first), height, width, frames.device)
        places = start
        for _ in range(UPDATES):
            correlation = parts.corr_block.index_pyramid(centroids_coords=places)
            state, step = parts.update_block(state, context, correlation, places - start)
            places = places + step
        mask = None if parts.mask_predictor is None else parts.mask_predictor(state)
        return upsample_flow(places - start, mask)


def _picked(rows: torch.Tensor, numbers: list[int]) -> torch.Tensor:
    # Unlike `stack`, this keeps the order of bytes, and so the kernels and their rounding.
    return torch.cat([rows[number : number + 1] for number in numbers])


class Chains(Batches):
    """Batches of pairs of frames, CPU tensors (2, H, W, 3) of bytes: those of a clip are parts of one tensor, and a
    frame that follows itself in a batch goes to the device once.

    `run` is given `first`, `second` (rows) and the frames (M, H, W, 3). M is rounded up, so that few shapes occur.
    """

    def begin(self, chunk: list):
        """What the network says of these pairs, on the device: (rows, ...)."""
        frames, second = [], []
        for pair in chunk:
            if not frames or frames[-1].data_ptr() != pair.data_ptr():
                frames.append(pair[0])
            second.append(len(frames))
            frames.append(pair[1])
        second = torch.tensor(second + [1] * (self.rows - len(chunk)))
        step = max(1, self.rows // 4)
        return self.run(second - 1, second, self.there(frames, -(-len(frames) // step) * step))
