"""Errors of `renamed_from`."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.settings import load
from tests.unit.test_settings_errors import GOOD, errors_of

CASES = {
    "present name": ('plan = "starter"', 'renamed_from = "acme"', "consumers.acme.renamed_from[0]", ["present name"]),
    "name in use": ('plan = "starter"', 'renamed_from = "old"\n[consumers.old]\nplan = "starter"',
                    "consumers.acme.renamed_from[0]", ["no longer in [consumers]", "rename consumers.old"]),
    "later name in use": ('plan = "starter"', 'renamed_from = ["a", "old"]\n[consumers.old]\nplan = "starter"',
                          "consumers.acme.renamed_from[1]", ["after a deployment", "remove it"]),
    "swapped names": ('plan = "starter"', 'renamed_from = "other"\n[consumers.other]\nrenamed_from = "x"\n'
                      'plan = "starter"', "consumers.acme.renamed_from[0]", ["no longer in"]),
    "claimed twice": ('plan = "starter"', 'renamed_from = "old"\n[consumers.b]\nrenamed_from = "old"\n'
                      'plan = "starter"', "consumers.b.renamed_from[0]", ["consumers.acme", "one of the two"]),
    "twice in a list": ('plan = "starter"', 'renamed_from = ["old", "old"]', "consumers.acme.renamed_from",
                        ["each value once"]),
    "number": ('plan = "starter"', "renamed_from = 5", "consumers.acme.renamed_from", ["5", "a list"]),
    "invalid name": ('plan = "starter"', 'renamed_from = "Acme Inc"', "consumers.acme.renamed_from[0]",
                     ["lower-case letters"]),
    "model without upstream": ('provider = "openai"', 'renamed_from = "small"\nprices = { input = 1, output = 2 }',
                               "models.gpt-5-mini.upstream", ['add upstream = "small"']),
    "model with the address of another": ('provider = "openai"', 'renamed_from = "gpt-5:m"\nupstream = "x"\nprices = '
                                          '{ input = 1, output = 2 }\n[models."gpt-5.m"]\nprovider = "openai"\n'
                                          "free = true", "models.gpt-5-mini.renamed_from[0]", ["no longer in"]),
    "function of ours": ('source = "examples/hello"', 'renamed_from = "gateway"', "functions.example.renamed_from[0]",
                         ["any name but gateway"]),
    "plan": ("burst = 5", 'renamed_from = "starter"', "plans.starter.renamed_from[0]", ["present name"]),
    "provider": ('kind = "openai"', 'renamed_from = "openai"', "providers.openai.renamed_from[0]", ["present name"]),
}  # fmt: skip


@pytest.mark.parametrize(("line", "more", "key_path", "words"), CASES.values(), ids=CASES)
def test_mistake(tmp_path: Path, line: str, more: str, key_path: str, words: list[str]) -> None:
    errors = errors_of(tmp_path, GOOD.replace(line, f"{line}\n{more}", 1))
    given = {path.replace('"', ""): error for path, error in errors.items()}
    assert list(given) == [key_path]
    assert not [word for word in words if word not in given[key_path].text()], given[key_path].text()


def test_names_that_cannot_change_keep_the_first_name(tmp_path: Path) -> None:
    file = tmp_path / "test.toml"
    file.write_text(
        GOOD.replace('source = "', 'renamed_from = ["first", "second"]\nsource = "').replace(
            'plan = "starter"', 'renamed_from = "first"\nplan = "starter"'
        )
    )
    environment = load(file)
    assert environment.function_name("example") == "tollgate-test-first"
    assert environment.function_path("example") == "/first"
    assert environment.function_name("gateway") == "tollgate-test-gateway"
    assert environment.first_name("consumers", "acme") == "first"
    assert environment.first_name("plans", "starter") == "starter"
