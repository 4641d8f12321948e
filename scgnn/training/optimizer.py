"""The optimizer of all trainings. Importing this module loads torch."""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch


class Adam(torch.optim.Adam):
    """Adam of torch without the wrappers for torch.compile, whose import takes two seconds."""

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update the parameters."""
        return unwrap(torch.optim.Adam.step)(self, closure)
