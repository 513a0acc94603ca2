"""Native-like quality, after MENLO (2509.26601): four dimensions, five levels. The levels are in our own words."""

from annotate.design.rubrics.spec import Dimension, RubricSpec

RUBRIC = RubricSpec(
    title="Native-like quality",
    dimensions=[
        Dimension(
            key="fluency",
            name="Fluency",
            question="How well is the language itself written?",
            levels=[
                "Hard to understand; errors in most sentences",
                "Understandable with effort; errors distract",
                "Clear, but a native reader notices several slips",
                "Reads well; one small slip at most",
                "As a careful native writer would put it",
            ],
        ),
        Dimension(
            key="tone",
            name="Tone",
            question="Does the manner suit the situation and what the person needs?",
            levels=[
                "Rude, or wrong for the situation",
                "Often too stiff, too familiar or too cold",
                "Acceptable, with lapses",
                "Suits the situation and the person",
                "Suits so well that nothing could be better",
            ],
        ),
        Dimension(
            key="localized_tone",
            name="Localized tone",
            question="Is this how people of this place and language would say it?",
            levels=[
                "Foreign in manner; would embarrass the person",
                "Sounds translated; the wrong register in places",
                "Polite, but not how people here would put it",
                "Natural here, with small foreign habits",
                "Exactly the register a local person would choose",
            ],
        ),
        Dimension(
            key="localized_factuality",
            name="Localized factuality",
            question="Are the facts right, and right for this place?",
            levels=[
                "Wrong about local life in ways that matter",
                "Several local facts wrong or missing",
                "Mostly right; general where local detail is needed",
                "Right, with minor gaps",
                "Right and specific: names, prices and customs hold",
            ],
        ),
    ],
)
