"""Names in files of MELP: the published tower, a checkpoint of the official training, and files of this project.

Published files and official trainings put ``ecg_encoder.`` before the whole tower. The entries of the text side are
those of the official training: ``lm_model.bert.`` (here ``lm_model.``), ``proj_t.``, ``sent_proj.``, ``text_decoder.``.
"""

from __future__ import annotations

from torch import Tensor

from methods.nn.fairseq_files import our_names

PREFIX = "ecg_encoder."
TOWER = ("ecg_encoder.", "attn_pool_contrast.", "ln_contrast.", "proj_contrast", "attn_pool_caption.", "ln_caption.")
UNREAD = tuple(f"{PREFIX}{name}" for name in ("mask_emb", "quantizer.", "project_q.", "final_proj."))
TEXT = ("lm_model.", "proj_t.", "sent_proj.", "text_decoder.", "logit_scale")
UNREAD_TEXT = ("lm_model.cls.", "lm_model.pooler.")  # the language model's own next word, which no loss asks for


def select_entries(state: dict[str, Tensor], text: bool) -> dict[str, Tensor]:
    """Return the entries of the tower, and with `text` those of the text side, under the names of this project."""
    tower, rest = state, state
    if any(name.startswith(f"{PREFIX}attn_pool") for name in state):
        tower = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
        rest = {name.replace("lm_model.bert.", "lm_model."): value for name, value in state.items()}
    entries = _pick(our_names(tower), TOWER, UNREAD)
    return {**entries, **_pick(rest, TEXT, UNREAD_TEXT)} if text else entries


def _pick(state: dict[str, Tensor], prefixes: tuple[str, ...], unread: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name.startswith(prefixes) and not name.startswith(unread)}
