"""Tags of usage records: a caller cannot forge those of the policy."""

from __future__ import annotations

import pytest

from lambda_src.core.errors import BadRequest
from lambda_src.core.response_headers import merge_tags, parse_tags


@pytest.mark.parametrize(
    ("policy", "header", "tags"),
    [
        ({"team": "a"}, "", {"team": "a"}),
        ({"team": "a"}, "feature=search", {"team": "a", "feature": "search"}),
        ({"team": "a"}, "team=b", {"team": "a", "caller.team": "b"}),
        ({"team": "a"}, "Team=b, TEAM=c", {"team": "a", "caller.Team": "b", "caller.TEAM": "c"}),
        (
            {"team": "a", "caller.team": "x"},
            "team=b, caller.team=c",
            {"team": "a", "caller.team": "x", "caller.caller.team": "c"},
        ),
        ({"Straße": "a"}, "strasse=b", {"Straße": "a", "caller.strasse": "b"}),
    ],
)
def test_tags_of_the_policy_win(policy: dict[str, str], header: str, tags: dict[str, str]) -> None:
    assert merge_tags(policy, parse_tags({"x-tollgate-tags": header})) == tags


@pytest.mark.parametrize("header", ["a", "a=", "=b", "a=b,", "a b=c", "a=é", ",".join(f"t{n}=1" for n in range(11))])
def test_malformed_tags_are_rejected(header: str) -> None:
    with pytest.raises(BadRequest) as rejected:
        parse_tags({"x-tollgate-tags": header})
    assert rejected.value.code == "invalid_tags"
