"""Reads log lines in CloudWatch's embedded metric format (EMF), and a client for AWS calls that fail.

`EMITTED` collects the names of all metrics that the tests caused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lambda_src.core.error_causes import CAUSES
from lambda_src.core.metrics import METRICS, dimension_sets
from lambda_src.edges.aws import AwsClient, AwsError

FIXTURES = Path(__file__).parent.parent / "fixtures/aws"
SCHEMA = Draft202012Validator(json.loads((FIXTURES / "emf.schema.json").read_text()))

EMITTED: set[str] = set()

Line = dict[str, Any]
DataPoints = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class FailingAws(AwsClient):
    """Real calls, except those that fail on purpose.

    throttles, conflicts: how many of the next DynamoDB attempts are throttled, and how many conflict with a
        transaction.
    denied: text in the bodies of all calls that are denied; empty if none are.
    """

    throttles = 0
    conflicts = 0
    denied = ""

    def _attempt(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        if service == "dynamodb" and self.throttles:
            self.throttles -= 1
            raise AwsError("ProvisionedThroughputExceededException", "throttled by the test")
        if service == "dynamodb" and self.conflicts:
            self.conflicts -= 1
            raise AwsError("TransactionConflictException", "rejected by the test")
        if self.denied and self.denied.encode() in body:
            raise AwsError("AccessDeniedException", "denied by the test")
        return super()._attempt(service, headers, body, deadline)


class EmfLog:
    """Reads the lines with embedded metrics on stdout and checks that CloudWatch accepts them."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self) -> list[Line]:
        """The lines since the previous call."""
        printed = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        lines = [line for line in printed if "_aws" in line]
        for line in lines:
            SCHEMA.validate(line)
            data_points(line)
            assert line.get("error_code") in {None, *CAUSES}
        return lines

    def line(self) -> Line:
        """The line since the previous call; fails unless it is exactly one."""
        (line,) = self.lines()
        return line


def data_points(line: Line) -> DataPoints:
    """The data points that CloudWatch makes of a line: value by metric name and dimensions. None occurs twice."""
    points: DataPoints = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Tollgate"
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            EMITTED.add(metric["Name"])
            assert isinstance(value, int | float)
            assert METRICS[metric["Name"]].unit == metric["Unit"]
            for names in directive["Dimensions"]:
                dimensions = tuple((name, line[name]) for name in names)
                assert all(isinstance(dimension, str) and dimension not in ("", "-") for _, dimension in dimensions)
                assert tuple(names) in dimension_sets(METRICS[metric["Name"]], True)
                assert (metric["Name"], dimensions) not in points
                points[metric["Name"], dimensions] = value
    assert line.get("key_id", "-") not in {value for _, dimensions in points for _, value in dimensions}
    return points


def point(line: Line, name: str, **dimensions: str) -> float | None:
    """One data point of a line, in environment `bench`; None if the line does not have it."""
    return data_points(line).get((name, (("environment", "bench"), *dimensions.items())))
