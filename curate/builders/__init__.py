"""The kinds of rows. A new one is a file here, a line in BUILDERS, and a value of BuildDatasetSpec.rows."""

from curate.builders import (
    ampo,
    best_of_n,
    critiques,
    edited,
    edits,
    figa,
    joint,
    judge_offset_bias,
    judge_pairwise,
    judge_pointwise,
    offset_bias,
    pairs,
    rankings,
    revisions,
    reward_augmented,
    rs_dpo,
    selections,
    unpaired,
)
from curate.builders.base import Builder

BUILDERS: dict[str, Builder] = {
    one.slug: one
    for one in (
        pairs.BUILDER,
        rankings.BUILDER,
        joint.BUILDER,
        unpaired.BUILDER,
        judge_pointwise.BUILDER,
        judge_pairwise.BUILDER,
        critiques.BUILDER,
        revisions.BUILDER,
        edits.BUILDER,
        edited.BUILDER,
        selections.BUILDER,
        reward_augmented.BUILDER,
        rs_dpo.BUILDER,
        best_of_n.BUILDER,
        ampo.BUILDER,
        figa.BUILDER,
        offset_bias.BUILDER,
        judge_offset_bias.BUILDER,
    )
}

__all__ = ["BUILDERS", "Builder"]
