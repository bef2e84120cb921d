"""A stage serves the methods and integrations of its deployment, not those that were changed since.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/how-to-deploy-api.html (a deployment is a snapshot), and
docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html (one update changes deployment and variables together).
MiniStack serves the API as it is now, and changes a stage under the requests that are in progress.
Test: tests/e2e/test_switch.py::test_no_request_fails_meanwhile
"""

from __future__ import annotations

import copy
import json
from typing import Any

from ministack.services import apigateway_v1

from local.cloud.apigateway.request_context import current

_create_deployment = apigateway_v1._create_deployment
_update_stage = apigateway_v1._update_stage

_snapshots: dict[str, dict[str, Any]] = {}
"""The resources of each deployment, by its id."""
without_endpoint: set[str] = set()
"""Ids of the deployments of APIs whose own endpoint was disabled."""


def apply() -> None:
    """Keep the resources of each deployment, and find those of a request's stage."""
    apigateway_v1._create_deployment = create_deployment
    apigateway_v1._update_stage = update_stage
    apigateway_v1._match_resource_tree = match_resource_tree


def create_deployment(api_id: str, data: dict[str, Any]) -> Any:
    """Create a deployment of the API as it is."""
    answer = _create_deployment(api_id, data)
    if answer[0] == 201:
        deployment_id = json.loads(answer[2])["id"]
        _snapshots[deployment_id] = copy.deepcopy(apigateway_v1._resources[api_id])
        if apigateway_v1._rest_apis[api_id]["disableExecuteApiEndpoint"]:
            without_endpoint.add(deployment_id)
    return answer


def update_stage(api_id: str, stage_name: str, data: dict[str, Any]) -> Any:
    """Change a stage. Requests in progress keep it as it was."""
    stages = apigateway_v1._stages_v1.get(api_id, {})
    if stage_name in stages:
        stages[stage_name] = copy.deepcopy(stages[stage_name])
    return _update_stage(api_id, stage_name, data)


def match_resource_tree(api_id: str, segments: list[str]) -> Any:
    """The deployed resource of a path, and the path's parameters."""
    del api_id
    resources = _snapshots.get(current.get().record["stage"]["deploymentId"], {})
    root = next((each for each in resources.values() if each["path"] == "/"), None)
    if root is None or not segments:
        return root, {}
    return apigateway_v1._match_recursive(resources, root["id"], segments, {})
