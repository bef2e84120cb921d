"""The official SDKs, with a base URL and a key alone: what their users see, and how often the provider is called.

`make clients` runs the other clients.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import page
from tests.clients.cases import CASES
from tests.clients.catalogue import CLIENTS, Client
from tests.clients.measuring import Target, results
from tests.clients.sandbox import Sandbox, sandbox

LIGHT = [client for client in CLIENTS if client.light]
SNIPPETS = page.snippets()


@pytest.fixture
def home() -> Iterator[Sandbox]:
    """Where a client runs."""
    with sandbox() as created:
        yield created


@pytest.mark.e2e
@pytest.mark.terraform
@pytest.mark.parametrize("client", LIGHT, ids=lambda client: client.name)
def test_users_see_the_cause_and_nothing_billed_is_sent_again(client: Client, target: Target, home: Sandbox) -> None:
    found = list(results(client, target, home))
    assert [result.case for result in found] == list(CASES)
    problems = [f"{result.case.name}: {result.problem}" for result in found if result.problem is not None]
    assert not problems
    assert not home.requested_hosts()


@pytest.mark.e2e
@pytest.mark.terraform
@pytest.mark.parametrize(
    "snippet", [snippet for snippet in SNIPPETS if snippet.light], ids=lambda snippet: snippet.name
)
def test_snippets_on_the_page_run_as_they_are(snippet: page.Snippet, target: Target, home: Sandbox) -> None:
    variables = {"TOLLGATE_URL": target.url, "TOLLGATE_KEY": target.key("alpha")}
    assert page.run(snippet, home, variables) is None


def test_every_section_of_a_client_has_a_snippet() -> None:
    """Without a snippet, nothing would notice that a section is wrong."""
    sections = {snippet.section for snippet in SNIPPETS}
    assert sections >= {
        *page.LIGHT,
        "Codex",
        "Claude Code",
        "Vercel AI SDK",
        "LangChain",
        "pydantic-ai",
        "LiteLLM",
        "Groq's Python SDK",
        "llm",
    }
    assert {snippet.language for snippet in SNIPPETS} == {"python", "js", "sh"}


def test_the_table_has_every_client_and_case() -> None:
    """`make clients` is not part of CI: a client or case that is new needs a run of it."""
    heading, _, *rows = page.table_on_page().splitlines()
    assert heading == "| client | " + " | ".join(case.name for case in CASES) + " |"
    assert [row.split(" | ")[0] for row in rows] == [f"| {client.name}" for client in CLIENTS]
