"""Hostile environment files: clear errors in linear time, never a traceback; what loads stays within AWS's limits."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from constructs_lib.function_sources import source_errors
from constructs_lib.ledger_items import policy_item
from constructs_lib.settings import Environment, EnvironmentErrors, load, relocated
from constructs_lib.settings.regular_expressions import UnsafePatternError, check
from tests.fuzz.loading import check_load, texts
from tests.linear_time import linear_time
from tests.unit.test_settings_errors import GOOD, errors_of
from tools.paths import ROOT

CONSUMER, PROVIDER, PLAN, FUNCTION = 'plan = "starter"', 'kind = "openai"', "rate = 10", 'source = "examples/hello"'
REGION = 'region = "eu-west-1"'
LONG_PATH = "/".join(["a" * 40] * 8)

# Line of GOOD, what to append to it, the key path of the error, and words of its text.
CASES = {
    "exponent of an amount": (CONSUMER, 'budgets = [{ usd = 1e999999999, per = "day" }]',
                              "consumers.acme.budgets[0].usd", ["at most 40 digits"]),
    "exponent that Python rejects": (CONSUMER, 'budgets = [{ usd = 1e99999999999999999999, per = "day" }]',
                                     "consumers.acme.budgets[0].usd", ["USD", "1,000,000,000"]),
    "tiny exponent": (PLAN, "x = 1e-999999999", "plans.starter.x", ["at most 40 digits"]),
    "not a number": (CONSUMER, 'budgets = [{ usd = nan, per = "day" }]', "consumers.acme.budgets[0].usd", ["USD"]),
    "amount beyond a DynamoDB number": (CONSUMER, 'budgets = [{ usd = 1000000000000000000, per = "day" }]',
                                        "consumers.acme.budgets[0].usd", ["at most 1,000,000,000"]),
    "amount of many digits in quotes": (CONSUMER, f'budgets = [{{ usd = "{"1" * 3000}", per = "day" }}]',
                                        "consumers.acme.budgets[0].usd", ["at most 1,000,000,000"]),
    "count beyond 32 bits": (CONSUMER, "tokens_per_minute = 2147483648", "consumers.acme.tokens_per_minute",
                             ["less than or equal to 2147483647"]),
    "count beyond 64 bits": (CONSUMER, "tokens_per_minute = 9223372036854775808", "consumers.acme.tokens_per_minute",
                             ["64 bits"]),
    "hexadecimal count": (CONSUMER, f"tokens_per_minute = 0x{'f' * 5000}", "consumers.acme.tokens_per_minute",
                          ["64 bits", "more than 80 digits"]),
    "digits that Python rejects": (CONSUMER, f"tokens_per_minute = {'9' * 5000}", "", ["64 bits"]),
    "rate beyond a float": ("", "[plans.big]\nrate = 1e30\nburst = 1\n", "plans.big.rate", ["1000000"]),
    "time for text": (CONSUMER, "owner = 07:32:00", "consumers.acme.owner", ["07:32:00", "text"]),
    "date for text": (PROVIDER, "base_url = 2027-12-31", "providers.openai.base_url", ["2027-12-31", "text"]),
    "time in a list of texts": (CONSUMER, "models = [07:32:00]", "consumers.acme.models[0]", ["07:32:00", "text"]),
    "date for a number": ("", "[gateway]\nlog_retention_days = 2027-12-31\n",
                          "gateway.log_retention_days", ["2027-12-31"]),
    "date after the year 9999 in UTC": (CONSUMER, "expires = 9999-12-31T23:59:59-23:59", "consumers.acme.expires",
                                        ["2000 to 9998"]),
    "date before the year 1 in UTC": (CONSUMER, "expires = 0001-01-01T00:00:00+23:59", "consumers.acme.expires",
                                      ["2000 to 9998"]),
    "list token": (CONSUMER, 'owner = "#{TfToken[TOKEN.0]}"', "consumers.acme.owner", ["TfToken["]),
    "map token": (CONSUMER, 'tags = { "&{TfToken[TOKEN.0]}" = "a" }', 'consumers.acme.tags."&{TfToken[TOKEN.0]}"',
                  ["TfToken["]),
    "text token": (FUNCTION, 'environment = { A = "${TfToken[TOKEN.0]}" }', "functions.example.environment.A",
                   ["as a template"]),
    "directive": (FUNCTION, 'environment = { A = "%{ if true }" }', "functions.example.environment.A",
                  ["as a template"]),
    "NUL in a path": (f"#{FUNCTION}", r'source = "a\u0000b"', "functions.example.source",
                      ["control characters"]),
    "terminal escape": (CONSUMER, r'owner = "\u001b[31m"', "consumers.acme.owner", ["control characters"]),
    "C1 control character": (CONSUMER, 'owner = "\x9b31m"', "consumers.acme.owner", [r'"\u009b31m"']),
    "reversed text": (CONSUMER, 'owner = "\u202eabc"', "consumers.acme.owner", ["control characters"]),
    "two lines": (CONSUMER, 'owner = "a\\nb"', "consumers.acme.owner", ["one line"]),
    "long text": (CONSUMER, f'owner = "{"aA" * 3000}"', "consumers.acme.owner", ["6,000 characters", "at most 4,096"]),
    "long key": (CONSUMER, f'tags = {{ {"k" * 300} = "a" }}', f'consumers.acme.tags."{"k" * 80}…', ["at most 256"]),
    "unfinished IPv6 address": (PROVIDER, 'base_url = "http://[::1"', "providers.openai.base_url", ["a URL such as"]),
    "invalid IPv6 address": (PROVIDER, 'base_url = "http://[1:2]/v1"', "providers.openai.base_url", ["IPv6 address"]),
    "invalid port": (PROVIDER, 'base_url = "http://localhost:99999/v1"', "providers.openai.base_url", ["1 to 65535"]),
    "long host label": (PROVIDER, f'base_url = "http://{"a" * 64}/v1"', "providers.openai.base_url", ["a URL such as"]),
    "empty host label": (PROVIDER, 'base_url = "http://a..b/v1"', "providers.openai.base_url", ["a URL such as"]),
    "secret name that is no ARN": (PROVIDER, 'secret = "a:b"', "providers.openai.secret", ["name or ARN"]),
    "secret of an unknown partition": (PROVIDER, 'secret = "arn:aws-x:secretsmanager:eu-west-1:111122223333:secret:a"',
                                       "providers.openai.secret", ["name or ARN"]),
    "secret of another partition": (PROVIDER, 'secret = "arn:aws-cn:secretsmanager:eu-west-1:111122223333:secret:a"',
                                    "providers.openai.secret", ["starts with arn:aws:"]),
    "name that Terraform rejects": (CONSUMER, '[plans."1a"]\nrate = 1\nburst = 1\n[consumers.other]\nplan = "starter"',
                                    "plans.1a", ["starting with a letter"]),
    "consumer that Terraform rejects": (CONSUMER, '[consumers.1a]\nplan = "starter"', "consumers.1a",
                                        ['keys = "operator"']),
    "paths of one Terraform name": (FUNCTION, 'path = "/a/each-b"\n[functions.other]\nsource = "x"\npath = "/a/{b}"',
                                    "functions.other.path", ["Terraform name"]),
    "parameter twice": (FUNCTION, 'path = "/{a}/b/{a}"', "functions.example.path", ["each parameter name once"]),
    "variables beyond 4 KB": (FUNCTION, f'environment = {{ A = "{"a " * 1500}", B = "{"b " * 1500}" }}',
                              "functions.example.environment", ["4,096 bytes"]),
    "too many tags": (REGION, "tags = { " + ", ".join(f"t{n} = 'a'" for n in range(46)) + " }", "aws.tags",
                      ["at most 45"]),
    "addresses of one Terraform name": ("", '[alerts]\nemails = ["a.b@x.yz", "a_b@x.yz"]\n',
                                        "alerts.emails", ["punctuation"]),
    "models of one construct id": ("", "".join(f'[models."{name}"]\nprovider = "openai"\nfree = true\n'
                                                             for name in ("a/b", "a--b")),
                                   "models.a--b", ["a/b"]),
    "quote in the CORS origin": ("", "[gateway]\ncors_origin = \"https://a'b\"\n",
                                 "gateway.cors_origin", ["one origin"]),
    "state key with a double slash": (REGION, 'backend = { bucket = "state", key = "a//b" }', "aws.backend.key",
                                      ["a key"]),
}  # fmt: skip


@pytest.mark.parametrize(("line", "more", "key_path", "words"), CASES.values(), ids=CASES)
def test_error_instead_of_a_traceback(tmp_path: Path, line: str, more: str, key_path: str, words: list[str]) -> None:
    replaced = line.removeprefix("#")
    assert replaced in GOOD
    errors = errors_of(tmp_path, GOOD.replace(replaced, f"{line}\n{more}", 1) if line else GOOD + more)
    assert list(errors) == [key_path]
    text = errors[key_path].text()
    assert not [word for word in words if word not in text], text
    assert text.replace("\n", "").isprintable()
    assert max(map(len, text.splitlines())) < 500


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 100 + "]" * 100,
        "a = " + "{ a = " * 300 + "1" + " }" * 300,
        "a" + ".a" * 100_000 + " = 1",
        "[a" + " . 'a'" * 100_000 + "]",
    ],
)
def test_deep_nesting_is_an_error(tmp_path: Path, text: str) -> None:
    (error,) = errors_of(tmp_path, GOOD + text).values()
    assert "at most 16 deep" in error.text()


@pytest.mark.parametrize("text", [b'owner = "\\ud800"', b'owner = "\\udc00\\ud800"', b'owner = "\xed\xa0\x80"'])
def test_half_a_surrogate_is_an_error(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "test.toml"
    path.write_bytes(GOOD.encode() + text)
    with pytest.raises(EnvironmentErrors) as raised:
        load(path)
    str(raised.value).encode()


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_files_of_windows_editors_load(tmp_path: Path, change: Callable[[str], str]) -> None:
    assert check_load(tmp_path / "test.toml", change(GOOD)) is not None


def test_huge_file_is_an_error(tmp_path: Path) -> None:
    assert "1,000,000 bytes" in errors_of(tmp_path, GOOD + "#" * 2_000_000)[""].text()


def test_only_the_first_errors_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "test.toml"
    path.write_text(GOOD + "".join(f'[consumers.c{number}]\nplan = "none{number}"\n' for number in range(500)))
    with pytest.raises(EnvironmentErrors, match="the first 100 errors") as raised:
        load(path)
    assert len(raised.value.errors) == 100


LINEAR: dict[str, Callable[[int], str]] = {
    "text without an end": lambda size: f'[aws]\nprofile = "{"aA" * (size // 2)}"\n',
    "starts of tokens": lambda size: f'[aws]\nprofile = "{"eyJ" * (size // 3)}"\n',
    "starts of passwords": lambda size: f'[aws]\nprofile = "{"://:" * (size // 4)}"\n',
    "parts of a key": lambda size: "a" + ".a" * (size // 2) + " = 1\n",
    "empty parts of a key": lambda size: '""' + '.""' * (size // 3) + " = 1\n",
    "unknown plans": lambda size: GOOD + "".join(
        f"[plans.p{n}]\nrate = 1\nburst = 1\n[consumers.c{n}]\nplan = 'x{n}'\n" for n in range(size // 65)
    ),
    "empty lists": lambda size: GOOD + "".join(
        f"[consumers.c{n}]\nplan = 'starter'\nkey_names = []\n" for n in range(size // 48)
    ),
    "long-context prices": lambda size: GOOD + "[models.m]\nprovider = 'openai'\nprices = { input = 1, output = 1, "
    "long_context = [" + ",".join(f"{{above={n + 1},input=1,output=1}}" for n in range(size // 34)) + "] }\n",
    "patterns": lambda size: GOOD + "[prompts]\npatterns = [" + ",".join(
        rf"'(?i)x{n}[\x00-\uffff]'" for n in range(size // 24)
    ) + "]\n",
}  # fmt: skip


@pytest.mark.parametrize("text", LINEAR.values(), ids=LINEAR)
def test_time_is_linear(tmp_path: Path, text: Callable[[int], str]) -> None:
    """A quadratic reader took 11 s for 40 KB."""
    path = tmp_path / "test.toml"
    path.write_text(text(480_000))
    with linear_time(), contextlib.suppress(EnvironmentErrors):
        load(path)


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[str, str], Environment]:
    """Loads GOOD with a line replaced."""

    def loaded(old: str, new: str) -> Environment:
        assert old in GOOD
        path = tmp_path / "test.toml"
        path.write_text(GOOD.replace(old, new, 1))
        return load(path)

    return loaded


def test_latest_date_is_representable_in_utc(environment: Callable[[str, str], Environment]) -> None:
    latest = environment(CONSUMER, f"{CONSUMER}\nexpires = 9998-12-31T23:59:59-23:59")
    assert policy_item(latest, "acme")["expires"] == {"S": "9999-01-01T23:58:59+00:00"}


def test_ipv6_address_of_a_provider(environment: Callable[[str, str], Environment]) -> None:
    local = environment('provider = "openai"', 'provider = "own"\nfree = true\n[providers.own]\nkind = "openai"\n'
                        'base_url = "http://[::1]:8099/v1"')  # fmt: skip
    aws = local.aws.model_copy(update={"endpoint": "http://[::1]:4566"})
    moved = relocated(local.model_copy(update={"aws": aws}), {"TOLLGATE_LOCAL_PROVIDER_URL": "http://127.0.0.1:8"})
    assert moved.providers["own"].base_url == "http://[::1]:8099/v1"


@pytest.mark.parametrize("name", [LONG_PATH, "a" * 256, "é" * 200])
def test_source_that_is_too_long_or_missing(environment: Callable[[str, str], Environment], name: str) -> None:
    if len(name) > 256:
        with pytest.raises(EnvironmentErrors, match="at most 256"):
            environment(FUNCTION, f'source = "{name}"')
    else:
        (error,) = source_errors(environment(FUNCTION, f'source = "{name}"'), ROOT)
        assert "correct it" in error.fix


def test_loop_of_links_as_a_source(environment: Callable[[str, str], Environment], tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (error,) = source_errors(environment(FUNCTION, 'source = "loop"'), tmp_path)
    assert error.fix


@pytest.mark.parametrize("source", [b"\x00", b"(" * 3000, b"\xff\xfe", b"x = " + b"-" * 100_000 + b"1"])
def test_source_that_python_cannot_parse(
    environment: Callable[[str, str], Environment], tmp_path: Path, source: bytes
) -> None:
    """The handler is not checked then; Lambda may run a newer Python."""
    (tmp_path / "examples" / "hello").mkdir(parents=True)
    (tmp_path / "examples" / "hello" / "app.py").write_bytes(source)
    assert source_errors(environment("[aws]", "[aws]"), tmp_path) == []


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a+)+$", "exponential"),
        ("(a*)*", "exponential"),
        ("(?:a{0,9}){0,9}x", "exponential"),
        ("(a|a)*b", "exponential"),
        ("(a|ab)+c", "exponential"),
        ("(?:a?b?){20}c", "exponential"),
        (r"\w+@corp\.example", "limit such as"),
        (r"a++b", "limit such as"),
        (r"(?=.*x)y", "limit such as"),
        (r"a{1,100}a{1,100}b", "ways to match"),
        ("a{99999999999}", "repetitions"),
        ("a{2000}b", "repetitions"),
        ("x*", "empty text"),
        (r"\b", "empty text"),
    ],
)
def test_slow_pattern_is_rejected(pattern: str, words: str) -> None:
    with pytest.raises(UnsafePatternError, match=words):
        check(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"Project \w+",
        "project-[a-z]+",
        r"(?:ab|cd)+",
        r"\bEMP-\d{1,9}\b",
        r"(\d{1,3}\.){3}\d{1,3}",
        "(secret|token)=.{1,64}x",
    ],
)
def test_linear_pattern_is_accepted(pattern: str) -> None:
    check(pattern)


def test_slow_pattern_in_a_file(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path, GOOD + "[prompts]\npatterns = ['ok', '(a+)+$', 'a{99999999999}', '" + "(" * 250 + "']\n"
    )
    assert list(errors) == [f"prompts.patterns[{index}]" for index in (1, 2, 3)]
    assert "a regular expression with no repeat of a part" in errors["prompts.patterns[1]"].text()


def test_mutated_environments(tmp_path: Path) -> None:
    """`make fuzz` runs this for minutes, and validates what loads with Terraform."""
    loaded = [check_load(tmp_path / "fuzz.toml", text) for text in itertools.islice(texts(seed=20261126), 300)]
    assert any(loaded)
    assert not all(loaded)
