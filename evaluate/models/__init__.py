"""What is kept of judging: one file a matter."""

from evaluate.models.judgements import CaseVerdict, ContrastedPair, Judgement

__all__ = ["CaseVerdict", "ContrastedPair", "Judgement"]
