"""A published language model in miniature, for the methods that read text."""

import pytest

WORDS = (
    "sinus rhythm atrial fibrillation first degree av block paced left right axis bundle branch normal ecg with "
    "of and , . -"
)


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> str:
    """A tiny BERT with its tokeniser in a folder, in place of MedCPT."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    (path / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(path)
    return str(path)
