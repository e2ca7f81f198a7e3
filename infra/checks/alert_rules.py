"""Prints the alert rules of a file of Prometheus as a JSON array: alert_rules.py FILE."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]))
