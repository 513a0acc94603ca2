"""What is kept of judging: one file a matter."""

from evaluate.models.bias import CaseVerdict, ContrastedPair
from evaluate.models.boards import ChangedPrompt, KeptBoard, Stamp, Tally, TallyVoice
from evaluate.models.evaluations import AskedTask, Entrant, Evaluation, JudgeRun
from evaluate.models.judgements import Judgement
from evaluate.models.reports import SharedBoard

__all__ = [
    "AskedTask", "CaseVerdict", "ChangedPrompt", "ContrastedPair", "Entrant", "Evaluation", "JudgeRun", "Judgement",
    "KeptBoard", "SharedBoard", "Stamp", "Tally", "TallyVoice",
]  # fmt: skip
