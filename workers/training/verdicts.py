"""Judges learn from verdicts: of the tokens that can be the verdict, the right one; and the critique before it.

JSFT (Lee et al. 2024, 2402.11253) trains a verdict of one token on both orders of a pair; critique fine-tuning (Wang
et al. 2025, 2501.17703) trains the critique too. With two choices and no critique the loss is
`workers.objectives.judge.verdict_loss`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workers import modeling
from workers.training.learner import Learner, Losses, Split


@dataclass(frozen=True)
class VerdictRow:
    """A question to a judge as tokens: the prompt, what it says before the verdict, the verdict, and what ends it.

    `choices` are the tokens that compete, `label` the place of the right one among them. `levels`: the number that each
    choice stands for, for a judge that rates; empty where choices are names.
    """

    prompt: tuple[int, ...]
    before: tuple[int, ...]
    choices: tuple[int, ...]
    label: int
    after: tuple[int, ...]
    weight: float = 1.0
    levels: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.before) + 1 + len(self.after)


class Verdicts(Learner[VerdictRow]):
    """Loss of a row: cross-entropy among the choices, plus `prose` times the mean negative log-likelihood of the other
    tokens that the judge writes (critique and end of turn), over the whole vocabulary.

    options: `prose` (default 1), `whole` (0 or 1, default 0): the verdict competes with the whole vocabulary, as in
    supervised fine-tuning.
    """

    def weight(self, row: VerdictRow) -> float:
        return row.weight

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        options = self.settings.options
        verdicts, prose = self._logits(rows)
        device = verdicts.device
        label = torch.tensor([row.label for row in rows], device=device)
        choices = torch.tensor([row.choices for row in rows], device=device)
        among = verdicts.gather(1, choices)
        whole = nn.functional.cross_entropy(verdicts, choices.gather(1, label[:, None])[:, 0], reduction="none")
        loss = whole if options.get("whole") else nn.functional.cross_entropy(among, label, reduction="none")
        loss = loss + options.get("prose", 1.0) * prose
        probabilities = among.detach().softmax(-1)
        measured = {
            "accuracy": (probabilities.argmax(-1) == label).float(),
            "confidence": probabilities.gather(1, label[:, None])[:, 0],
            "mass": (among.logsumexp(-1) - verdicts.logsumexp(-1)).exp().detach(),
            # Of a comparison: towards A. A judge that looks at places alone leans the same way in both orders.
            "lean": probabilities[:, 0] - probabilities[:, 1],
        }
        if all(row.levels for row in rows):
            levels = torch.tensor([row.levels for row in rows], device=device, dtype=probabilities.dtype)
            expected = (probabilities * levels).sum(-1)
            measured["error"] = (expected - levels.gather(1, label[:, None])[:, 0]).abs()
            del measured["lean"]
        weights = torch.tensor([row.weight for row in rows], device=device)
        return Losses(weights * loss, measured)

    def _logits(self, rows: Sequence[VerdictRow]) -> tuple[Tensor, Tensor]:
        """(logits at each verdict, (rows, vocabulary); mean NLL of a row's other tokens, (rows,), in nats a token)."""
        inner = modeling.inner_of(self.model)
        written = [[*row.before, row.choices[row.label], *row.after] for row in rows]
        ids, mask = modeling.pad(
            [[*row.prompt, *one] for row, one in zip(rows, written, strict=True)], value=self.pad_id
        )
        hidden = modeling.backbone_of(inner)(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
        ).last_hidden_state
        starts = [len(row.prompt) - 1 for row in rows]
        place = [start + len(row.before) for start, row in zip(starts, rows, strict=True)]
        verdicts = modeling.vocabulary_logits(inner, hidden[torch.arange(len(rows)), torch.tensor(place)])
        others = [
            (number, starts[number] + at, token)
            for number, one in enumerate(written)
            for at, token in enumerate(one)
            if at != len(rows[number].before)
        ]
        if not others:
            return verdicts, torch.zeros(len(rows), device=self.device)
        row_of, before, target = (torch.tensor(one, device=self.device) for one in zip(*others, strict=True))
        logits = modeling.vocabulary_logits(inner, hidden[row_of, before])
        nll = nn.functional.cross_entropy(logits, target, reduction="none")
        total = torch.zeros(len(rows), device=self.device).index_add(0, row_of, nll)
        return verdicts, total / torch.bincount(row_of, minlength=len(rows)).clamp(min=1)
