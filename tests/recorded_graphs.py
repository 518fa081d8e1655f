"""Graphs without a GPU, as strict as CUDA's: fixed operations between fixed addresses."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

_READS_THE_HOST = ("aten.item", "aten._local_scalar_dense", "aten.nonzero", "aten.masked_select")


class RecordedGraphs:
    """Records the operations of some work with their tensors, and runs exactly these again.

    Like a CUDA graph it does not see the Python that led to them: a number that has changed
    since, or a tensor that stands elsewhere, goes unnoticed, and looking at a value is refused.
    """

    def __init__(self) -> None:
        self.captures = 0

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1
        recorder = _Recorder()
        with recorder:
            work()
        return recorder.replay

    def wait(self) -> None:
        """Have nothing to wait for."""


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func).startswith(_READS_THE_HOST):
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        result = func(*args, **(kwargs or {}))
        self._operations.append((func, args, kwargs or {}, result))
        return result

    @torch.inference_mode()
    def replay(self) -> None:
        for func, args, kwargs, before in self._operations:
            now = func(*args, **kwargs)
            for old, new in zip(pytree.tree_leaves(before), pytree.tree_leaves(now), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)
