"""What is asked and what people answered, a file a matter: items, asking, answers, chat."""

from annotate.models.answers import (
    Assignment,
    Contradiction,
    CurrentFeedback,
    DatasetFeedback,
    Feedback,
    SentBack,
    SimulatedAnnotator,
    Verdict,
)
from annotate.models.asking import Collection, Protocol, Qualification, Rubric, Task, TaskResponse
from annotate.models.chat import ChatEndpoint, ChatReply
from annotate.models.items import Image, Prompt, Response, ResponseEmbedding, ResponseScore

__all__ = [
    "Assignment",
    "ChatEndpoint",
    "ChatReply",
    "Collection",
    "Contradiction",
    "CurrentFeedback",
    "DatasetFeedback",
    "Feedback",
    "Image",
    "Prompt",
    "Protocol",
    "Qualification",
    "Response",
    "ResponseEmbedding",
    "ResponseScore",
    "Rubric",
    "SentBack",
    "SimulatedAnnotator",
    "Task",
    "TaskResponse",
    "Verdict",
]
