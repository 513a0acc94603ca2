"""What is kept of judging: one file a matter."""

from evaluate.models.bias import CaseVerdict, ContrastedPair
from evaluate.models.judgements import Judgement

__all__ = ["CaseVerdict", "ContrastedPair", "Judgement"]
