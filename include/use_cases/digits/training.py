"""Which digit is on a picture? A small convolutional network, in plain torch.

It stops when the held-out rows have not improved for `patience` epochs, and returns the weights of the best epoch. After each epoch it saves
everything that the next one depends on, the random numbers' state too: a training that was killed goes on where it was, and ends the same.
"""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from gyre import progress

LABEL = "label"
SIZE = 8


class DigitNet(nn.Module):
    """Two convolutions and a layer of 64, whose values are the embedding."""

    classes_: list[str]

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
        )
        self.embed = nn.Sequential(nn.Linear(64 * (SIZE // 2) ** 2, 64), nn.ReLU())
        self.drop = nn.Dropout(0.3)
        self.decide = nn.Linear(64, classes)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits, shape (n, classes), and embedding, shape (n, 64), of pictures of shape (n, 1, 8, 8)."""
        embedding = self.embed(self.convolutions(pictures))
        return self.decide(self.drop(embedding)), embedding


def inputs(frame: pd.DataFrame) -> np.ndarray:
    """Open the PNG files of column `image`: float32 from 0 (paper) to 1 (ink), shape (n, 1, 8, 8).

    Raises:
        ValueError: If one is no picture of 8x8.
    """
    return np.stack([_opened(content) for content in frame["image"]]) if len(frame) else np.zeros((0, 1, SIZE, SIZE), dtype=np.float32)


def _opened(content: bytes) -> np.ndarray:
    try:
        picture = Image.open(io.BytesIO(content)).convert("L")
    except OSError as error:
        raise ValueError(f"column 'image' holds {len(content)} bytes that are no picture: {error}") from error
    if picture.size != (SIZE, SIZE):
        raise ValueError(f"column 'image' holds a picture of {picture.width}x{picture.height}; the model knows {SIZE}x{SIZE}")
    return np.asarray(picture, dtype=np.float32)[np.newaxis] / 255


def train(train: pd.DataFrame, validation: pd.DataFrame, parameters: dict[str, Any]) -> DigitNet:
    """Fit the network; the validation rows say when to stop and are never learned from."""
    classes = np.unique(np.concatenate([train[LABEL].to_numpy(), validation[LABEL].to_numpy()]))
    parts = [(torch.from_numpy(inputs(part)), torch.from_numpy(np.searchsorted(classes, part[LABEL].to_numpy()))) for part in (train, validation)]
    fitting = Fitting(len(classes), parameters)
    while fitting.goes_on:
        fitting.epoch(*parts)
    network = fitting.best()
    network.classes_ = classes.tolist()
    return network


class Fitting:
    """A training and everything it depends on, so that it can be put down and taken up between two epochs."""

    def __init__(self, classes: int, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(parameters["seed"])
        self.network = DigitNet(classes).to(self.device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=parameters["learning_rate"], weight_decay=parameters["weight_decay"])
        self.done = 0
        self.best_epoch, self.best_loss = 0, float("inf")
        self.best_weights = copy.deepcopy(self.network.state_dict())
        if (left := progress.restore()) is not None:
            self._take_up(left.content)

    @property
    def goes_on(self) -> bool:
        """Whether there is reason for another epoch."""
        return self.done < self.parameters["epochs"] and self.done - self.best_epoch < self.parameters["patience"]

    def epoch(self, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> None:
        """Learn from every training row once, then look at the held-out rows."""
        learned = self._learn(*train)
        held_out, accuracy = self._look(*validation)
        self.done += 1
        if held_out < self.best_loss:
            self.best_epoch, self.best_loss, self.best_weights = self.done, held_out, copy.deepcopy(self.network.state_dict())
        progress.log(self.done, train_loss=learned, validation_loss=held_out, validation_accuracy=accuracy)
        progress.save(self.done, self._put_down())

    def _learn(self, pictures: Tensor, targets: Tensor) -> float:
        self.network.train()
        total = 0.0
        for rows in torch.randperm(len(pictures)).split(self.parameters["batch"]):
            logits, _ = self.network(pictures[rows].to(self.device))
            loss = nn.functional.cross_entropy(logits, targets[rows].to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(rows)
        return total / len(pictures)

    @torch.no_grad()
    def _look(self, pictures: Tensor, targets: Tensor) -> tuple[float, float]:
        self.network.eval()
        logits, _ = self.network(pictures.to(self.device))
        wanted = targets.to(self.device)
        return nn.functional.cross_entropy(logits, wanted).item(), (logits.argmax(dim=1) == wanted).float().mean().item()

    def _put_down(self) -> bytes:
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "best": (self.best_epoch, self.best_loss, self.best_weights),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }
        content = io.BytesIO()
        torch.save(state, content)
        return content.getvalue()

    def _take_up(self, content: bytes) -> None:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done = state["done"]
        self.best_epoch, self.best_loss, self.best_weights = state["best"]
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_cuda"]:
            torch.cuda.set_rng_state_all(state["random_cuda"])

    def best(self) -> DigitNet:
        """Give the network as it was at its best epoch, on the CPU, ready to answer."""
        self.network.load_state_dict(self.best_weights)
        return self.network.cpu().eval()
