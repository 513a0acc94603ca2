"""Formats of files. A new one is a file here and a line in FORMATS; those that ask for more come first."""

from exchange.imports.base import Format
from exchange.imports.formats import argilla, battles, hh, judged, label_studio, llama_factory, menlo, potato, tables

FORMATS: dict[str, Format] = {
    one.slug: one
    for one in (
        label_studio.FULL, label_studio.MIN, argilla.ARGILLA, potato.POTATO,
        battles.TULU, battles.LLMFAO, battles.PRD, battles.LFQA, battles.ARENA,
        judged.PANDALM, judged.LLMBAR, judged.BIAS_BENCH, judged.DOVE, judged.CUT, menlo.MENLO,
        hh.HH, hh.HHH, llama_factory.DPO, llama_factory.KTO, llama_factory.SFT, llama_factory.SHAREGPT,
        tables.JSONL, tables.JSON, tables.CSV, tables.PARQUET, tables.XLSX,
    )
}  # fmt: skip
