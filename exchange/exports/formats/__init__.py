"""Who shall read the file. A new format is a file here, a line in FORMATS, and a value of FormatName."""

from exchange.exports.formats import (
    argilla,
    dove,
    kto,
    label_studio,
    openai,
    plain,
    sharegpt,
    trl,
    trl_standard,
)
from exchange.exports.formats.base import EXTRAS, Format, Shape, shape_of

FORMATS: dict[str, Format] = {
    one.slug: one
    for one in (
        trl.FORMAT, trl_standard.FORMAT, kto.FORMAT, sharegpt.FORMAT, openai.FORMAT, argilla.FORMAT,
        label_studio.FORMAT, dove.FORMAT, plain.FORMAT,
    )
}  # fmt: skip

__all__ = ["EXTRAS", "FORMATS", "Format", "Shape", "shape_of"]
