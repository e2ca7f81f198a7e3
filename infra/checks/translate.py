"""Translates the SAM template to a CloudFormation template, as AWS does, and prints it: translate.py TEMPLATE

The translator asks AWS only for the ARNs of managed policies. The template uses none, so a stub returns none.
"""

import json
import os
import sys

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies(ManagedPolicyLoader):
    def __init__(self):
        super().__init__(None)

    def load(self):
        return {}


def translate(path):
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file)
    # `sam deploy` uploads the zips and inserts their URLs. Nothing is uploaded here, so insert invented URLs.
    for resource in template["Resources"].values():
        code = resource["Properties"].get("CodeUri") if resource["Type"] == "AWS::Serverless::Function" else None
        if code and not code.startswith("s3://"):
            resource["Properties"]["CodeUri"] = "s3://artifacts/" + os.path.basename(code)
    return transform(template, {}, NoManagedPolicies())


if __name__ == "__main__":
    json.dump(translate(sys.argv[1]), sys.stdout, indent=1)
