"""Changes of DNS records need no waiting.

AWS: docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html (a change is PENDING until all of
Route 53's servers have it). The embedded cloud has no such servers, but Terraform waits for 30 seconds before it asks
for the status of a change that the response names.
Test: tests/local/cloud/test_domain_names.py::test_terraform_does_not_wait_for_records
"""

from __future__ import annotations

import re
from typing import Any, Final

from ministack.services import route53

CHANGE: Final = re.compile(rb"<ChangeInfo>.*</ChangeInfo>", re.DOTALL)

_change_resource_record_sets = route53._change_resource_record_sets


def apply() -> None:
    """Wrap the operation that changes records."""
    route53._change_resource_record_sets = change_resource_record_sets


def change_resource_record_sets(zone_id: str, body: bytes) -> Any:
    """Change records. The response has no ChangeInfo to wait for."""
    status, headers, answer = _change_resource_record_sets(zone_id, body)
    return status, headers, CHANGE.sub(b"", answer)
