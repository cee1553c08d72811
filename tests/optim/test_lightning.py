"""Lightning: manual optimization, and automatic without accumulation, are plain loops."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from agsam_tune.optim import AdaptiveGSAM

from .problems import Batch, batches, mlp, train, vector

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what importing it says is none of this project's
    import pytorch_lightning


class Module(pytorch_lightning.LightningModule):
    """Three classes; `manual` takes a step of two batches' gradients by hand."""

    def __init__(self, *, manual: bool) -> None:
        super().__init__()
        self.net = mlp()
        self.automatic_optimization = not manual
        self.waiting: list[Batch] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return AdaptiveGSAM(self.parameters(), lr=0.1, momentum=0.9, model=self)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:  # noqa: ARG002
        if self.automatic_optimization:
            return cross_entropy(self.net(batch[0]), batch[1])
        self.waiting.append(batch)
        if len(self.waiting) < 2:
            return None
        optimizer = self.optimizers()

        def closure() -> None:
            optimizer.zero_grad()
            for x, y in self.waiting:
                self.manual_backward(cross_entropy(self.net(x), y) / 2)

        optimizer.step(closure=closure)
        self.waiting.clear()
        return None


def _fit(module: Module, data: list[Batch], **arguments: Any) -> Tensor:
    trainer = pytorch_lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=None))
    return vector(module)


# What Lightning says of torch's newest version, and of a loader in this very process.
quiet = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*many workers")


@quiet
def test_lightning() -> None:
    """Automatic without accumulation, and manual with it, are the loops of their own."""
    data, plain = batches(4, seed=2), mlp()
    optimizer = AdaptiveGSAM(plain.parameters(), lr=0.1, momentum=0.9, model=plain)
    assert torch.equal(_fit(Module(manual=False), data), train(plain, optimizer, data))

    plain = mlp()
    optimizer = AdaptiveGSAM(plain.parameters(), lr=0.1, momentum=0.9, model=plain)
    for pair in (data[:2], data[2:]):

        def closure(pair: list[Batch] = pair) -> None:
            optimizer.zero_grad()
            for x, y in pair:
                (cross_entropy(plain(x), y) / 2).backward()

        optimizer.step(closure)
    assert torch.equal(_fit(Module(manual=True), data), vector(plain))


@quiet
def test_lightning_s_accumulation_is_warned_of_once() -> None:
    with pytest.warns(UserWarning) as caught:
        _fit(Module(manual=False), batches(4), accumulate_grad_batches=2)
    said = [str(one.message) for one in caught if "has discarded" in str(one.message)]
    assert len(said) == 1
    assert "manual optimization (self.automatic_optimization = False)" in said[0]
