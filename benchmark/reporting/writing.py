"""Write reports with a trained decoder: beam search, greedy, or sampled; in batches, with a cache of keys and values.

The searches are those of transformers. A batch ends with its longest report.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.engine.events import Event, EventSink
from benchmark.reporting.learner import Learner
from benchmark.reporting.recordings import Recordings

BATCH_CPU, BATCH_GPU = 64, 256


@dataclass(frozen=True)
class Decoding:
    """Options of decoding: `strategy` is beam, greedy or sample; the rest concerns beam or sample alone."""

    strategy: str = "beam"
    beams: int = 4
    length_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 0.9
    seed: int = 0
    cache: bool = True

    def options(self) -> dict[str, Any]:
        """Return the options as transformers names them."""
        options: dict[str, dict[str, Any]] = {
            "greedy": {"num_beams": 1, "do_sample": False},
            "beam": {"num_beams": self.beams, "do_sample": False, "length_penalty": self.length_penalty},
            "sample": {
                "num_beams": 1,
                "do_sample": True,
                "temperature": self.temperature,
                "top_p": self.top_p,
                "top_k": 0,
            },
        }
        return {**options[self.strategy], "use_cache": self.cache}


def generate_reports(
    learner: Learner, recordings: Recordings, decoding: Decoding, title: str, on_event: EventSink, device: str
) -> tuple[list[str], dict[str, Any]]:
    """Return a report for each recording, and the cost: seconds, tokens, and how many reports were cut at the limit."""
    learner.to(device).eval()
    tokeniser = learner.decoder.tokeniser
    start_time = time.monotonic()
    ids: list[list[int]] = [[] for _ in range(len(recordings))]
    count = 0
    size = BATCH_GPU if torch.device(device).type == "cuda" else BATCH_CPU
    with torch.inference_mode():
        for start in range(0, len(recordings), size):
            rows = np.arange(start, min(start + size, len(recordings)))
            torch.manual_seed(int(np.random.SeedSequence([decoding.seed, start]).generate_state(1)[0]))
            token_ids = generate_tokens(learner, recordings.batch(rows).to(device), decoding)
            for row, tokens in zip(rows, token_ids.tolist(), strict=True):
                ids[row] = list(tokeniser.up_to_end(tokens))
            count += sum(len(ids[row]) for row in rows)
            speed = count / (time.monotonic() - start_time)
            on_event(Event("step", title, int(rows[-1]) + 1, len(recordings), {"tokens_per_second": speed}))
    seconds = time.monotonic() - start_time
    cut = sum(row[-1] != tokeniser.eos for row in ids)
    cost = {"seconds": round(seconds, 2), "tokens": count, "tokens_per_second": round(count / seconds, 1), "cut": cut}
    return tokeniser.decode(ids), {**asdict(decoding), "batch_size": size, **cost}


def generate_tokens(learner: Learner, ecg: Tensor, decoding: Decoding) -> Tensor:
    """Return ids ``(batch, token)`` without their BOS for ``(batch, token, dim)`` or ``(batch, lead, time)``."""
    from transformers import GenerationConfig

    tokeniser = learner.decoder.tokeniser
    start = torch.full((len(ecg), 1), tokeniser.bos, device=ecg.device)
    special = {"bos_token_id": tokeniser.bos, "eos_token_id": tokeniser.eos, "pad_token_id": tokeniser.pad}
    config = GenerationConfig(max_new_tokens=tokeniser.most, **special, **decoding.options())
    ids: Tensor = learner.decoder.gpt.generate(
        input_ids=start,
        attention_mask=torch.ones_like(start),
        encoder_hidden_states=learner.memory(ecg),
        generation_config=config,
    )
    return ids[:, 1:]
