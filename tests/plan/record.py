"""Records tests/plan/recorded/*.json: what `terraform show -json` prints about changes of one deployed environment.

    python -m tests.plan.record

It deploys tests/plan/recorded/acme.toml to the embedded cloud, and plans each of `CHANGES` against it. It takes five
minutes. deployed.json has the resources that are deployed, the other files what each plan changes: `recorded_plan` puts
them together. The recordings lack the configuration and the copies of the state. Values of API keys and long texts are
replaced, and deployed.json lacks empty attributes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from local.cloud.client import Cloud
from local.deployment import Deployment

FOLDER: Final = Path(__file__).parent / "recorded"
BASE: Final = FOLDER / "acme.toml"
NEW_CONSUMER: Final = """
[consumers.reports]
plan = "batch"
models = ["small"]
budgets = [{ usd = 20, per = "week" }]
requests_per_minute = 30
expires = 2027-06-30

[plans.batch]
rate = 2
burst = 2
"""
CHANGES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "no-change": (),
    "add": (("[consumers.support]", f"{NEW_CONSUMER}\n[consumers.support]"),),
    "change-budget": (
        ("{ usd = 5_000, per", "{ usd = 8_000.50, per"),
        ("tokens_per_minute = 200_000\n", ""),
        ("rate = 20\n", "rate = 30\n"),
    ),
    "rename": (("[consumers.search]", "[consumers.discovery]"),),
    "renamed-from": (("[consumers.search]", '[consumers.discovery]\nrenamed_from = "search"'),),
    "remove": (
        ("[consumers.search]" + BASE.read_text().partition("[consumers.search]")[2].partition("[consumers.su")[0], ""),
        ("[models.large]" + BASE.read_text().partition("[models.large]")[2].partition("[models.small]")[0], ""),
    ),
    "change-prices": (
        ('input = "2.50"', 'input = "3"'),
        ('"10" }', '"12" }'),
        (
            'output = "1.60" }',
            'output = "1.60" }\nprice_changes = [{ from = 2027-01-01, input = "0.30", output = "1" }]',
        ),
    ),
}
"""Name of a recording → replacements in the environment file, each of text that occurs once."""
SHOWN: Final = ("change-budget", "change-prices")
"""Plans whose text is recorded as well."""
MEMBERS: Final = ("format_version", "terraform_version", "applyable", "complete", "errored", "output_changes")
MOST_CHARACTERS: Final = 8_000
_KEY_TYPES: Final = ("aws_api_gateway_api_key", "aws_api_gateway_usage_plan_key")
KEY_VALUE: Final = "RECORDED0EXAMPLE0KEY0VALUE0"


def planned(deployment: Deployment) -> dict[str, Any]:
    """The plan of the stack in the deployment's folder."""
    deployment.terraform("plan", "-input=false", "-out=plan.bin")
    plan: dict[str, Any] = json.loads(deployment.terraform("show", "-json", "plan.bin"))
    return plan


def recorded_plan(name: str) -> dict[str, Any]:
    """A recorded plan, with the resources that it does not change."""
    plan: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    changes = plan["resource_changes"]
    changed = {address for change in changes for address in (change["address"], change.get("previous_address"))}
    for resource in json.loads((FOLDER / "deployed.json").read_text()):
        if resource["address"] not in changed:
            state = resource["change"]["before"]
            changes.append({**resource, "change": {**resource["change"], "actions": ["no-op"], "after": state}})
    return plan


def recording(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a plan that are recorded."""
    changes = [_recorded(change) for change in plan["resource_changes"] if not _is_unchanged(change)]
    return {**{name: plan[name] for name in MEMBERS if name in plan}, "resource_changes": changes}


def deployed(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources of a plan without changes."""
    resources = []
    for change in map(_recorded, plan["resource_changes"]):
        state = {name: value for name, value in change["change"]["before"].items() if value or value == 0}
        sensitive = change["change"]["before_sensitive"]
        marks = {"before_sensitive": sensitive, "after_sensitive": sensitive} if sensitive else {}
        resources.append({**change, "change": {"before": state, **marks}})
    return resources


def _is_unchanged(change: Mapping[str, Any]) -> bool:
    return change["change"]["actions"] == ["no-op"] and "previous_address" not in change


def _recorded(resource: Mapping[str, Any]) -> dict[str, Any]:
    states = ("before", "after") if resource["type"] in _KEY_TYPES else ()
    change = {
        name: {**state, "value": KEY_VALUE} if name in states and state and "value" in state else _shortened(state)
        for name, state in resource["change"].items()
    }
    return {**resource, "change": change}


def _shortened(value: Any) -> Any:
    """`value` with a hash in place of long texts, such as the dashboard."""
    if isinstance(value, dict):
        return {name: _shortened(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_shortened(member) for member in value]
    long = isinstance(value, str) and len(value) > MOST_CHARACTERS
    return f"sha256:{sha256(value.encode()).hexdigest()}" if long else value


def synthesize(deployment: Deployment, replacements: tuple[tuple[str, str], ...]) -> None:
    """Write the changed environment file and its stack."""
    text = BASE.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {BASE.name}"
        text = text.replace(old, new)
    assert deployment.environments is not None
    (deployment.environments / BASE.name).write_text(text)
    deployment.synth()


def main() -> None:
    """Records every plan."""
    with Cloud.start() as cloud, tempfile.TemporaryDirectory() as folder:
        environments = Path(folder) / "environments"
        environments.mkdir()
        deployment = Deployment(
            cloud=cloud,
            provider_url="http://127.0.0.1:8099",
            out=Path(folder) / "out",
            environment=BASE.stem,
            environments=environments,
        )
        synthesize(deployment, ())
        deployment.apply()
        for name, replacements in CHANGES.items():
            synthesize(deployment, replacements)
            plan = planned(deployment)
            if not replacements:
                _write("deployed.json", deployed(plan), cloud)
            _write(f"{name}.json", recording(plan), cloud)
            if name in SHOWN:
                text = deployment.terraform("show", "plan.bin")
                (FOLDER / f"{name}.txt").write_text(text[text.index("Terraform will perform") :])
            sys.stderr.write(f"recorded {name}\n")


def _write(name: str, document: object, cloud: Cloud) -> None:
    text = json.dumps(document, indent=1, sort_keys=True)
    (FOLDER / name).write_text(text.replace(f"127.0.0.1:{cloud.port}", "127.0.0.1:4566") + "\n")


if __name__ == "__main__":
    main()
