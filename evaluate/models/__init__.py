"""What is kept of judging: one file a matter."""

from evaluate.models.bias import CaseVerdict, ContrastedPair
from evaluate.models.boards import ChangedPrompt, KeptBoard, Stamp, Tally, TallyVoice
from evaluate.models.judgements import Judgement

__all__ = [
    "CaseVerdict", "ChangedPrompt", "ContrastedPair", "Judgement", "KeptBoard", "Stamp", "Tally", "TallyVoice",
]  # fmt: skip
