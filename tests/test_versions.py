"""A changed default changes results under an unchanged key, so it must come with a new version.

`defaults.json` pins each class's version and defaults. New options may be added to it at any time; a changed or
removed default asks for a raised version first, or for the old value in the class's `first_defaults`.
To write the file anew: python tests/test_versions.py
"""

import dataclasses
import json
from inspect import Parameter
from pathlib import Path

from benchmark.canonical import canonical
from benchmark.configuration import first_defaults
from benchmark.planning.training_config import TrainingConfig
from benchmark.registry import DATASETS, METHODS, TASKS

PINNED = Path(__file__).with_name("defaults.json")


def current() -> dict[str, dict]:
    result = {}
    for registry in (METHODS, TASKS, DATASETS):
        for name in registry.names():
            if registry.origin(name) != "built-in":
                continue
            cls = registry.get(name)
            version = cls.card.version if hasattr(cls, "card") else cls.version
            defaults = {key: None if value is Parameter.empty else value for key, value in first_defaults(cls).items()}
            result[f"{registry.kind} {name}"] = {"version": version, "defaults": canonical(defaults)}
    training = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
    return {**result, "training": {"version": 1, "defaults": canonical(training)}}


def test_defaults_change_with_the_version_only():
    pinned, now = json.loads(PINNED.read_text("utf-8")), current()
    problems = []
    for name, entry in now.items():
        reference = pinned.get(name)
        if reference is None:
            problems.append(f"{name} is new: pin it")
        elif reference["version"] == entry["version"]:
            variant = {key for key, value in reference["defaults"].items() if entry["defaults"].get(key, ...) != value}
            problems += [f"{name}: the default of {key} changed; raise the version" for key in sorted(variant)]
            problems += [
                f"{name}: {key} is new: pin it" for key in sorted(entry["defaults"].keys() - reference["defaults"])
            ]
        else:
            problems.append(f"{name} has version {entry['version']}: pin it")
    assert not problems, "\n".join([*problems, "(python tests/test_versions.py writes the file anew)"])


if __name__ == "__main__":
    PINNED.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n", "utf-8")
