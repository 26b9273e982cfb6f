"""N3S: negatives are nearest neighbours of the opposite vector, never the text itself."""

import torch

from methods.nn.cmelt.n3s import HardNegatives, embed_hashed_words, embed_words

ANGLES = {"east": 0.0, "north": 90.0, "west": 180.0, "south west": 230.0}


def on_a_circle(texts):
    angles = torch.deg2rad(torch.tensor([ANGLES.get(text, 30.0) for text in texts]))
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_negatives_are_the_nearest_to_the_opposite():
    negatives = HardNegatives(list(ANGLES), on_a_circle, count=1)
    assert negatives(["east", "north", "west", "south west"]) == ["west", "south west", "east", "north"]


def test_a_draw_is_uniform_over_the_count_and_repeats_with_the_seed():
    negatives = HardNegatives(list(ANGLES), on_a_circle, count=2)
    torch.manual_seed(0)
    first = negatives(["east"] * 400)
    torch.manual_seed(0)
    assert negatives(["east"] * 400) == first
    assert set(first) == {"west", "south west"} and 160 < first.count("west") < 240


def test_a_duplicate_is_one_text_and_never_its_own_negative():
    corpus = ["a b", "c d", "a b", "a b", "e f"]
    negatives = HardNegatives(corpus, embed_hashed_words)  # 64 are requested, but there are only two others
    assert negatives.texts == ["a b", "c d", "e f"] and negatives.table.shape == (3, 2)
    for _ in range(20):
        assert all(negative != text for negative, text in zip(negatives(corpus), corpus, strict=True))


def test_a_corpus_of_one_text_has_no_negatives():
    negatives = HardNegatives(["sinus rhythm"] * 3, embed_hashed_words)
    assert negatives(["sinus rhythm", "unheard of"]) == ["sinus rhythm", "unheard of"]


def test_an_unknown_text_gets_its_row_when_it_is_seen():
    negatives = HardNegatives(list(ANGLES), on_a_circle, count=1)
    assert negatives(["new", "east", "new"]) == ["south west", "west", "south west"]
    assert negatives.texts == list(ANGLES) and len(negatives.table) == 5  # it is not a negative of others


def test_hashed_words_are_of_length_one_and_alike_where_words_are():
    same, other, empty = (
        embed_hashed_words(["sinus rhythm", "Sinus rhythm.", "paced"]),
        embed_hashed_words(["x"]),
        embed_hashed_words([""]),
    )
    torch.testing.assert_close(same.norm(dim=1), torch.ones(3))
    assert same[0] @ same[1] > 0.99 and abs(same[0] @ other[0]) < 0.5 and empty.isfinite().all()


def test_by_frequency_a_candidate_is_drawn_as_often_as_it_occurs():
    corpus = ["east", *["west"] * 9, "south west", "north"]
    torch.manual_seed(0)
    negatives = HardNegatives(corpus, on_a_circle, count=2, by_frequency=True)(["east"] * 400)
    assert set(negatives) == {"west", "south west"} and 330 < negatives.count("west") < 390
    every = HardNegatives(corpus, on_a_circle, count=0, by_frequency=True)
    others, new = every(["west"] * 300), every(["unheard of"] * 300)
    assert set(others) == {"east", "south west", "north"} and 200 < new.count("west") < 250
    assert HardNegatives(["x"], on_a_circle, count=0)(["x"]) == ["x"]


def test_words_without_signs_never_look_opposite():
    """With signs, texts without a common word may have a negative similarity by a collision alone."""
    unlike = [f"a{number}" for number in range(300)]
    assert (embed_hashed_words(unlike) @ embed_hashed_words(unlike).T).min() < -0.9
    assert (embed_words(unlike) @ embed_words(unlike).T).min() == 0


def test_texts_tied_at_no_common_word_are_all_drawn_from():
    corpus = [f"a{number}" for number in range(400)]
    table = HardNegatives(corpus, embed_words, count=8).table
    assert len(table.unique()) > 350 and torch.equal(table, HardNegatives(corpus, embed_words, count=8).table)
