"""Every format of the leaderboard: the same store gives the same bytes; LaTeX compiles; figures say what they miss."""

import shutil
import subprocess

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.leaderboard import latex, published
from benchmark.leaderboard.figures import draw_all
from benchmark.leaderboard.figures.style import save
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import TaskFacts, make_plan
from benchmark.planning.suites import load_suite

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 0.02, 200).astype(np.float32)
VALUES = {"random_init": 0.6, "handcrafted": 0.75, "merl": 0.8}


FACTS = TaskFacts("auroc_macro", "frozen-eval-1")


def records_written(plan, store, fill):
    costs = {"random_init": 1e5, "handcrafted": 0.0, "merl": 2e5}
    fill(plan, store, lambda cell: VALUES[cell.row] + 0.01 * cell.question.get("seed", 0), lambda cell: NOISE)
    for cell in plan.cells:
        record = store.get(cell.spec)
        record.cost = {"parameters": costs[cell.row], "flops": 2 * costs[cell.row], "feature_seconds": 1e-3}
        store.set_aside(cell.spec)
        store.write(cell.spec, record, resampled=np.float32(record.metrics["auroc_macro"]) + NOISE)


def test_the_same_store_gives_the_same_bytes_in_every_format(plan, store, fill, tiny_suite, tmp_path, capsys):
    records_written(plan, store, fill)
    arguments = [
        "leaderboard",
        str(tiny_suite),
        "--records",
        str(store.root),
        "--format",
        "md,csv,tex,html,pdf,png,svg",
    ]
    for out in ("first", "second"):
        assert main([*arguments, "--out", str(tmp_path / out)]) == 0
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert {"tiny.md", "tiny.csv", "tiny.tex", "tiny-document.tex", "tiny.html"} <= {str(file) for file in files}
    assert {file.suffix for file in files if "tiny-figures" in file.parts} == {".pdf", ".png", ".svg"}
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file


def test_figures_are_drawn_or_say_why_not(plan, store, fill):
    board = Leaderboard(plan, store)
    figures, reasons = draw_all(board)
    assert not figures and all(len(reason) > 20 for reason in reasons.values())
    records_written(plan, store, fill)
    figures, reasons = draw_all(Leaderboard(plan, store))
    assert {"label_efficiency", "rank_summary", "zero_shot_against_probe", "cost"} <= set(figures)
    assert reasons.keys() == {"loss_curves", "calibration", "robustness", "pretraining_curves"}
    texts = save(figures["label_efficiency"], "svg").decode()
    assert "SYNTHETIC DATA" in texts and "merl" in texts  # on the figure itself, for it travels alone


def test_calibration_and_robustness_come_from_the_records(tiny_suite, store, fill):
    """Bins of all seeds are pooled; the clean entry of the same question stands at strength 0 and at twelve leads."""
    tiny_suite.write_text(
        tiny_suite.read_text().replace(
            'name = "zero_shot"',
            'name = "linear_probe"\nconfig = { fraction = 1.0, trials = 3 }\n'
            'signal = [{ perturb = "white", strength = [0.1, 0.5] }, { leads = [1, 2] }]',
        )
    )
    plan = make_plan(load_suite(str(tiny_suite)))
    bins = {"edges": [0, 0.5, 1], "count": [30, 50], "mean_probability": [0.2, 0.8], "share_positive": [0.1, 0.9]}
    fill(plan, store, lambda cell: VALUES[cell.row] - 0.1 * bool(cell.spec.signal), analysis={"reliability": bins})
    figures, _ = draw_all(Leaderboard(plan, store))
    calibration, robustness = figures["calibration"], figures["robustness-linear_probe-synthetic-groups"]
    (curve,) = [line for line in calibration.axes[0].lines if line.get_label() == "merl"]
    assert curve.get_xdata() == pytest.approx([0.2, 0.8]) and curve.get_ydata() == pytest.approx([0.1, 0.9])
    result = {axis.get_title(): axis.containers[0].lines[0].get_xdata() for axis in robustness.axes}
    assert result["white"] == pytest.approx([0, 0.1, 0.5]) and result["few leads"] == pytest.approx([1, 2, 12])


def test_latex_escapes_everything_and_names_what_a_table_needs(plan, store, fill):
    records_written(plan, store, fill)
    text = latex.tables(Leaderboard(plan, store))
    assert r"\textbf{0.805} $\pm$0.007" in text and r"random\_init" in text and r"10 \%" in text
    for fact in ("frozen-eval-1", "data d1", "2 label-subset seeds", "30 test recordings", "SYNTHETIC DATA", "Holm"):
        assert fact in text, fact
    assert latex.escape(r"a_b & 50 % \input{x} # ~ ^ Ω") == (
        r"a\_b \& 50 \% \textbackslash{}input\{x\} \# \textasciitilde{} \textasciicircum{} ?"
    )


LETTERS = {
    "QRS axis > 60°": r"QRS axis \textgreater{} 60$^{\circ}$",
    "ST ≥ 100 µV, −3 K": r"ST $\geq$ 100 $\mu$V, $-$3 K",
    "modèle Å": r"mod\`{e}le \r{A}",
    "überdreht": r"\"uberdreht",
    "u\u0308berdreht": r"\"uberdreht",
    "Čaffè, naïve, Łódź": r"\v{C}aff\`{e}, na\"{i}ve, \L{}\'{o}d\'{z}",
    "心電図": "???",
}


@pytest.mark.parametrize("text", LETTERS)
def test_latex_keeps_letters_and_signs_of_names(text):
    """A minus or a "≥" that became a question mark would name another class."""
    assert latex.escape(text) == LETTERS[text]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_latex_compiles_as_it_is(plan, store, fill, tiny_suite, tmp_path, capsys):
    tiny_suite.write_text(
        tiny_suite.read_text()
        + '\n[[methods]]\nname = "handcrafted"\nlabel = "50%_#{\\\\end} ≥ −3 µV ÅčñŁ ° „x“"\nconfig = {rate = 99}\n'
    )
    out = tmp_path / "out"
    main(["leaderboard", str(tiny_suite), "--records", str(store.root), "--format", "tex", "--out", str(out)])
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tiny-document.tex"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def entry(**more):
    options = {"row": "mine", "method": "merl", "task": "linear_probe", "dataset": "ptbxl", "label_set": "super"}
    return Entry(**{**options, "variant": {"fraction": 0.01, "trials": 16}, "facts": FACTS, **more})


def test_published_numbers_stand_beside_ours_with_their_source(plan, store, fill):
    numbers = published.load()
    assert len(numbers) == 496
    fitting = [one for one in numbers if one.answers(entry())]
    assert [(one.value, one.metric) for one in fitting] == [(0.8239, "auroc_macro")]
    assert "Table 2" in fitting[0].source and fitting[0].evidence == "reprinted"
    assert not any(one.answers(entry(variant={"fraction": 0.5})) for one in numbers)
    fill(plan, store)
    result = Leaderboard(plan, store).entries[0].results[0]
    comparison = published.beside([table_of(entry(results=[result]))], numbers)
    assert [(one.published, one.own_value) for one in comparison] == [(0.8239, 0.8)]
    assert comparison[0].question == "Linear probe on PTB-XL superclasses, 1 %"
    assert published.beside([table_of(entry(results=[result], missing=1))], numbers) == []  # incomplete: no comparison


def table_of(entry):
    return Table("linear_probe", "ptbxl", "super", ["mine"], [], ["1 %"], {("mine", "1 %"): entry})


def test_a_wrong_file_of_published_numbers_names_every_line(tmp_path):
    (tmp_path / "sources.toml").write_text('[known]\ncite = "A paper"\nprotocol = "none"\n')
    (tmp_path / "numbers.csv").write_text(
        "method,task,dataset,label_set,where,metric,value,source,evidence\n"
        "m,t,d,,,auroc_macro,high,known,primary\nm,t,d,,,auroc_macro,0.5,other,guess\n"
    )
    with pytest.raises(published.DataError) as error:
        published.load(tmp_path)
    for part in ("line 2: value is 'high'", "line 3: sources.toml has no 'other'", "line 3: evidence is 'guess'"):
        assert part in str(error.value)


BROKEN = {
    "value,nan": ("0.5", "nan", "line 2: value is nan, no finite number"),
    "value,empty": ("0.5", "", "line 2: value is '', no number"),
    "where": ("fraction=0.1", "fraction", "line 2: where is 'fraction', not of the form field=value"),
    "where,digits": ("fraction=0.1", "fraction=" + "9" * 5000, "line 2: where: a whole number of more than 64 bits"),
    "where,brackets": (
        "fraction=0.1",
        "fraction=" + "[" * 3000,
        "line 2: where: tables and lists are nested too deeply",
    ),
    "fields": (",known,", ",", "line 2: 8 fields, not 9"),
    "more fields": (",known,", ",known,known,", "line 2: 10 fields, not 9"),
    "head": ("label_set,where", "label_set", "the first line is "),
    "quote": ("m,t", '"m,t', "is no readable CSV file"),
    "letters": ("m,t", "\xff,t", "is no readable CSV file"),
    "huge": ("m,t", "m" * 200_000 + ",t", "is no readable CSV file"),
    "cite": ('cite = "A paper"', 'cited = "A paper"', "sources.toml: 'known' is no table with a text 'cite'"),
    "no table": ("[known]", 'known = "x"\n[other]', "sources.toml: 'known' is no table with a text 'cite'"),
    "toml": ("[known]", "[known", "is no readable TOML file"),
    "no sources": (None, None, "sources.toml cannot be read"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_of_published_numbers_is_one_message(tmp_path, kind):
    old, new, output = BROKEN[kind]
    files = {
        "numbers.csv": "method,task,dataset,label_set,where,metric,value,source,evidence\n"
        "m,t,d,,fraction=0.1,auroc_macro,0.5,known,primary\n",
        "sources.toml": '[known]\ncite = "A paper"\n',
    }
    for name, text in files.items():
        if old is not None or name != "sources.toml":
            (tmp_path / name).write_bytes((text.replace(old, new, 1) if old else text).encode("latin-1"))
    with pytest.raises(published.DataError) as error:
        published.load(tmp_path)
    assert output in str(error.value) and len(str(error.value)) < 600


def test_compare_prints_differences_wins_and_classes(plan, store, fill, tiny_suite, tmp_path, capsys):
    records_written(plan, store, fill)
    arguments = ["compare", "merl", "handcrafted", "--suite", str(tiny_suite), "--records", str(store.root)]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--format", "md,png"]) == 0
    output = capsys.readouterr().out
    assert "SYNTHETIC DATA" in output and "merl better: 2, handcrafted better: 0, not separated: 0" in output
    assert "| +0.050 | +0.050 to +0.050 | &lt; 0.0001 | merl |" in output and "NORM +0.050" in output
    text = (tmp_path / "out" / "tiny-merl-against-handcrafted.md").read_text()
    assert text in output and "> **SYNTHETIC DATA" in text  # a file travels alone
    assert (tmp_path / "out" / "tiny-merl-against-handcrafted.png").stat().st_size > 5000


def test_compare_needs_a_question_that_both_answered(plan, store, tiny_suite, capsys):
    arguments = ["compare", "merl", "handcrafted", "--suite", str(tiny_suite), "--records", str(store.root)]
    assert main(arguments) == 2 and "no question that both" in capsys.readouterr().err
    assert main(["compare", "merl", "mrl", "--suite", str(tiny_suite)]) == 2
    assert "did you mean 'merl'?" in capsys.readouterr().err
    assert main(["compare", "merl", "merl", *arguments[3:]]) == 2
    assert "merl is compared with itself" in capsys.readouterr().err


def titles_and_points(figure, row="merl"):
    """Return the heights of a row's points by the title of their panel."""
    lines = {axis.get_title(): [c for c in axis.containers if c.get_label() == row] for axis in figure.axes}
    return {title: list(own[0].lines[0].get_ydata()) for title, own in lines.items() if own}


def test_a_figure_keeps_questions_apart_that_differ_in_another_field(tiny_suite, store, fill):
    """The last layer, the last fraction and the last of two lead sets once stood for all of them, without a word."""
    change = (
        'config = { fraction = [0.1, 1.0], layer = ["features", "embeddings"], trials = 3 }\n'
        'signal = [{}, { leads = [["I"], ["II"]] }]'
    ).replace('{ leads = [["I"], ["II"]] }', '{ leads = ["I"] }, { leads = ["II"] }')
    old = "config = { fraction = [0.1, 1.0], seed = [0, 1], trials = 3 }"
    tiny_suite.write_text(tiny_suite.read_text().replace(old, change))
    plan = make_plan(load_suite(str(tiny_suite)))

    def value(cell):
        lead = (cell.spec.signal or {}).get("leads", [""])[0]
        layer = 0.05 * (cell.question.get("layer") == "embeddings")
        return 0.6 + 0.1 * cell.question.get("fraction", 0) + layer - {"": 0, "I": 0.2, "II": 0.3}[lead]

    fill(plan, store, value)
    figures, _ = draw_all(Leaderboard(plan, store))
    points = titles_and_points(figures["label_efficiency"])
    assert points == {
        "synthetic groups, features": pytest.approx([0.61, 0.7]),
        "synthetic groups, embeddings": pytest.approx([0.66, 0.75]),
    }
    points = titles_and_points(figures["robustness-linear_probe-synthetic-groups"])
    assert points["few leads, 10 %, layer features"] == pytest.approx([0.41, 0.61])
    assert points["few leads, 10 %, layer features, leads II"] == pytest.approx([0.31, 0.61])
    assert points["few leads, 100 %, layer embeddings"] == pytest.approx([0.55, 0.75]) and len(points) == 8
