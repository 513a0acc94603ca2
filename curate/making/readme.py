"""The dataset card as a file: README.md with YAML at its head, as dataset hubs read it."""

from typing import Any

import yaml

from curate.making.plan import Asked

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def readme(plan: Asked, *, name: str, rows: dict[str, int], card: dict[str, Any], content_hash: str) -> str:
    total, row = sum(rows.values()), plan.builder.row
    head = {
        "pretty_name": name,
        "language": sorted(card["languages"]),
        "size_categories": [next((words for most, words in SIZES if total < most), "n>10M")],
        "tags": ["human-feedback", row.slug, "palate"],
        "configs": [{"config_name": "default", "data_files": [
            {"split": split, "path": f"{split}.parquet"} for split, count in rows.items() if count
        ]}],
    }  # fmt: skip
    recipe = plan.recipe.model_dump(mode="json", exclude={"annotators"})  # user names stay in the house
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip(), "---", "", f"# {name}", "",
        f"{plan.builder.summary} For {row.trained_by}.", "",
        *table(("part", "rows"), [(split, f"{count:,}") for split, count in rows.items()]),
        f"Content hash (SHA-256 over what the rows say): `{content_hash}`", "",
        "## From answers to rows", "",
        *table(("step", "left", "of", "left out"), [
            (one["label"], f"{one['count']:,}", one["unit"], f"{one['left_out']:,}" if one["left_out"] else "")
            for one in card["funnel"]
        ]),
        "## What to know before training", "",
        *[f"- **{one['title']}.** {one['text']}" for one in card["warnings"]], "",
        *facts(card), "",
        "## Recipe", "", "```yaml",
        yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).strip(), "```", "",
    ]  # fmt: skip
    return "\n".join(lines)


def facts(card: dict[str, Any]) -> list[str]:
    found = [
        f"- {card['prompts']:,} prompts in {card['clusters']:,} groups, "
        f"{card['feedback']:,} answers by {card['raters']:,} raters."
    ]
    if card["simulated_answers"]:
        found.append(f"- {card['simulated_answers']:,} of the answers are simulated annotators'.")
    if (diversity := card["diversity"])["value"] is not None:
        found.append(
            f"- Prompt diversity {diversity['value']:.2f} "
            f"(sqrt(prompts) x distinct bigrams / bigrams, tokens of {diversity['tokenizer']})."
        )
    if card["likely_flips"]:
        found.append(f"- About {card['likely_flips']['expected']:,.0f} rows may be the wrong way round.")
    return found


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Of Markdown, and an empty line."""
    return ["| " + " | ".join(one) + " |" for one in (head, ("---",) * len(head), *rows)] + [""]
