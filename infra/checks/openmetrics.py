"""Reads an exposition of OpenMetrics from stdin with the strict parser of Prometheus' Python client, and prints its samples.

Prints a JSON array of {"family", "type", "unit", "name", "labels", "value"}. Fails on any error of the format.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

print(json.dumps([
    {"family": family.name, "type": family.type, "unit": family.unit, "name": sample.name, "labels": sample.labels, "value": sample.value}
    for family in text_string_to_metric_families(sys.stdin.read())
    for sample in family.samples
]))
