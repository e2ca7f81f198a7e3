"""Creates the translated template as a stack in moto and prints what is there: create_in_moto.py TRANSLATED NAME=VALUE…

moto runs in this process. Prints {"resources": {logical id: physical id}, ...} and, read back through the services' own
API, what the tests look at. What moto cannot create is taken out first, and named in "left_out".
"""

import io
import json
import os
import sys
import zipfile

os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")

import boto3
import moto
from moto.cloudformation.parsing import MODEL_MAP


def artifacts():
    """The zips that the template refers to: moto wants them there, and does not look inside."""
    boto3.client("s3").create_bucket(Bucket="artifacts")
    for name in ("processor", "target", "janitor"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("bootstrap", "")
        boto3.client("s3").put_object(Bucket="artifacts", Key=name + ".zip", Body=file.getvalue())


def without_unknown(template):
    """moto passes over types that it does not know; said here instead, so that a test can name them."""
    unknown = {name: item["Type"] for name, item in template["Resources"].items() if item["Type"] not in MODEL_MAP}
    for name in unknown:
        del template["Resources"][name]
    left = json.dumps(template["Resources"])
    return {name: {"type": kind, "referred_to": f'"{name}"' in left} for name, kind in sorted(unknown.items())}


def read_back(ids):
    def attributes(url):
        return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    table = boto3.client("dynamodb").describe_table(TableName=ids["Table"])["Table"]
    functions = boto3.client("lambda")
    return {
        "table": {key: table[key] for key in ("KeySchema", "GlobalSecondaryIndexes", "BillingModeSummary")},
        "delay_queue": attributes(ids["DelayQueue"]),
        "dead_letters": attributes(ids["DeadLetters"]),
        "environment": {
            name: functions.get_function_configuration(FunctionName=ids[name])["Environment"]["Variables"]
            for name in ("Processor", "Target", "Janitor")
        },
        "rules": [rule["Name"] for rule in boto3.client("events").list_rules()["Rules"]],
        "public_access": boto3.client("s3").get_public_access_block(Bucket=ids["UseCases"])["PublicAccessBlockConfiguration"],
        "versioning": boto3.client("s3").get_bucket_versioning(Bucket=ids["UseCases"]).get("Status"),
    }


@moto.mock_aws
def create(template, parameters):
    artifacts()
    left_out = without_unknown(template)
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="postdate",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    stack = cloudformation.describe_stacks(StackName="postdate")["Stacks"][0]
    ids = {
        item["LogicalResourceId"]: item.get("PhysicalResourceId")
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName="postdate")
        for item in page["StackResourceSummaries"]
    }
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    return {"status": stack["StackStatus"], "left_out": left_out, "resources": ids, "outputs": outputs, **read_back(ids)}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        translated = json.load(file)
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    json.dump(create(translated, given), sys.stdout, indent=1, default=str)
