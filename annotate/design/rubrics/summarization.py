"""Summaries: the four axes of Stiennon et al. 2020 (2009.01325). They rate 1 to 7, here it is 1 to 5."""

from annotate.design.rubrics.spec import Dimension, RubricSpec

RUBRIC = RubricSpec(
    title="Quality of a summary",
    dimensions=[
        Dimension(
            key="overall",
            name="Overall",
            question="How good is the summary as a whole, for somebody who has not read the text?",
            levels=[
                "Useless, or misleads",
                "Poor: the text has to be read all the same",
                "Usable, with clear faults",
                "Good, with a small fault",
                "Could not be better at this length",
            ],
        ),
        Dimension(
            key="accuracy",
            name="Accuracy",
            question="Is all that it says in the text, and said there in this sense?",
            levels=[
                "Its main statement is not in the text",
                "Several statements are wrong or invented",
                "One statement is wrong",
                "All right; one is imprecise",
                "All that it says is in the text",
            ],
        ),
        Dimension(
            key="coverage",
            name="Coverage",
            question="Is what matters in the text also in the summary?",
            levels=[
                "None of what matters",
                "Most of what matters is missing",
                "The main point, without what explains it",
                "What matters, except for one thing",
                "All that matters, and nothing else",
            ],
        ),
        Dimension(
            key="coherence",
            name="Coherence",
            question="Can it be understood by itself, without the text?",
            levels=[
                "Cannot be followed",
                "Hard to follow; the parts do not join",
                "Can be followed with effort",
                "Easy to follow; one sentence is clumsy",
                "Clear from beginning to end",
            ],
        ),
    ],
)
