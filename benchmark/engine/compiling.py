"""Compilation of a method's repeated blocks (`torch.compile`) for the steps of a training.

A block is what a numbered list of layers repeats: a transformer's layer, a residual block. Blocks of one class share
their code, so the first one pays for all. Only their `forward` is exchanged, and only during steps: the names of
weights, the validation and a loaded checkpoint know nothing of it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from benchmark.engine.prefetch import on_gpu
from benchmark.errors import MissingError, UsageError

MOST_FORMS = 64  # compiled forms of one block, by shape and options; torch gives up at 8 and says so in its log alone


class CompiledBlocks:
    """The blocks of a module in their compiled form; they are compiled when they are first used within `steps`.

    Raises `MissingError` where the compiler is missing, `UsageError` where the module has no blocks.
    """

    def __init__(self, module: nn.Module, device: str) -> None:
        refuse_without_compiler(device)
        blocks = repeated_blocks(module)
        if not blocks:
            name = type(module).__name__
            raise UsageError(f"compile = true: {name} has no list of layers to compile; leave the option out")
        # texts have few shapes on a GPU, each worth a form of its own; on a CPU one form serves them all. Which form
        # computes a batch must not depend on the batches before it: a resumed training would end with other bits
        dynamic = not on_gpu(device)
        self._forwards: list[tuple[nn.Module, Callable[..., Any]]] = [
            (block, torch.compile(block.forward, dynamic=dynamic)) for block in blocks
        ]

    @contextmanager
    def steps(self) -> Iterator[None]:
        """Let the blocks run compiled within this context; a block that torch cannot compile is an error."""
        limits = {"recompile_limit": MOST_FORMS, "fail_on_recompile_limit_hit": True}
        for block, forward in self._forwards:
            block.forward = forward
        try:
            with torch._dynamo.config.patch(limits):
                yield
        finally:
            for block, _ in self._forwards:
                del block.forward


def repeated_blocks(module: nn.Module) -> list[nn.Module]:
    """Return the outermost numbered parts (``layers.0``, ``block0``) that are no class of torch and hold layers."""
    blocks: list[nn.Module] = []
    for name, part in module.named_children():
        is_block = name[-1:].isdigit() and not _is_of_torch(part) and any(part.children())
        blocks += [part] if is_block else repeated_blocks(part)
    return blocks


def refuse_without_compiler(device: str) -> None:
    """Raise `MissingError` where torch.compile has no compiler for `device`."""
    if on_gpu(device):
        missing = "" if find_spec("triton") else "Triton, which torch's builds for NVIDIA GPUs on Linux bring along"
    else:
        compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        missing = "" if shutil.which(compiler) else f"a C++ compiler ({compiler}; the variable CXX names another)"
    if missing:
        raise MissingError(f"compile = true needs {missing}; install it, or leave the option out")


def _is_of_torch(module: nn.Module) -> bool:
    return type(module).__module__.partition(".")[0] == "torch"
