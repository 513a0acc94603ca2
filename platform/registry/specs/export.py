"""export: write a frozen dataset, or what people answered, to a file in a format of the field."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from registry.specs.base import Spec

What = Literal["dataset", "events", "answers", "items"]
FormatName = Literal[
    "plain", "trl", "trl_standard", "kto", "sharegpt", "openai", "argilla", "label_studio", "dove"
]  # fmt: skip
"""The keys of exchange.exports.formats.FORMATS; a test holds them equal."""
FileKind = Literal["jsonl", "json", "parquet", "csv"]
Compression = Literal["none", "gzip", "zstd"]
People = Literal["pseudonyms", "names", "left_out"]


class ExportSpec(Spec):
    what: What = Field(
        "dataset",
        description="a frozen dataset; events, the full history of every answer; answers, those that stand, one a "
        "row; or items, the prompts with their responses",
    )
    dataset: str = Field("", description="name and version of a frozen dataset, as prefs-v3",
                         json_schema_extra={"ref": "dataset"})  # fmt: skip
    format: FormatName = Field("plain", description="who shall read the file")
    file: FileKind = Field("jsonl", description="JSON Lines, one JSON list, Parquet or CSV")
    compress: Compression = Field("none", description="of the whole file; Parquet compresses its own pages")
    people: People = Field("pseudonyms", description="how people are called; names are for admins of the project")
    splits: list[Literal["train", "held_out"]] = Field(
        default_factory=list, description="only these parts of a dataset; empty takes all, with a column split"
    )
    extras: bool = Field(True, description="where a row came from: raters, agreement, ids of the votes, models")
    comments: bool = Field(True, description="comments and the other texts that annotators wrote about answers")
    timing: bool = Field(True, description="time spent, and the order in which responses were shown")
    withdrawn: Literal["refuse", "include"] = Field(
        "refuse", description="of a frozen dataset that holds answers of people who have withdrawn consent since: "
        "refuse to export it, or include these answers",
    )  # fmt: skip
    bom: bool = Field(False, description="begin a CSV with the mark that makes Excel read it as UTF-8")

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.what == "dataset" and not self.dataset:
            raise ValueError("an export of a dataset names it: set dataset to a name and version, as prefs-v3")
        if self.what != "dataset" and self.dataset:
            raise ValueError(f"dataset is {self.dataset}, and {self.what} are exported: leave one of the two out")
        if self.splits and self.what != "dataset":
            raise ValueError("only a dataset has splits: leave them out")
        if self.withdrawn == "include" and self.what != "dataset":
            raise ValueError("people who withdrew consent are in no export of raw answers: leave withdrawn out")
        if self.bom and self.file != "csv":
            raise ValueError("only CSV can begin with the mark of UTF-8: leave bom out")
        return self

    @property
    def suffix(self) -> str:
        """How the file's name ends. Parquet is compressed inside, so its name says nothing of it."""
        outer = "" if self.file == "parquet" else {"none": "", "gzip": ".gz", "zstd": ".zst"}[self.compress]
        return f".{self.file}{outer}"

    @property
    def title(self) -> str:
        """A few words for lists."""
        return self.dataset or {"events": "full history", "answers": "answers", "items": "prompts and responses"}.get(
            self.what, self.what
        )

    def as_params(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
