"""Creates the translated template as a stack in moto and prints the result: create_in_moto.py TRANSLATED NAME=VALUE…

moto runs in this process. Prints {"resources": {logical id: physical id}, ...} and the attributes that the tests check, read
back through the services' APIs. Removes resources that moto does not support, and lists them under "left_out".
"""

import io
import json
import os
import re
import sys
import zipfile

os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")

import boto3
import moto

# moto supports only the resources of services that are imported.
import moto.apigatewayv2.models
import moto.cloudwatch.models
import moto.scheduler.models
from moto.cloudformation.parsing import get_model_map


def artifacts():
    """Creates the zips that the template refers to. moto requires that they exist, and does not read them."""
    boto3.client("s3").create_bucket(Bucket="artifacts")
    for name in ("processor", "target", "janitor"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("bootstrap", "")
        boto3.client("s3").put_object(Bucket="artifacts", Key=name + ".zip", Body=file.getvalue())


def names(value):
    """Returns the logical ids and parameters that a part of a template refers to."""
    text = json.dumps(value)
    return set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)', text)) | set(re.findall(r"\$\{(\w+)[.}]", text))


def without_unknown(template):
    """Removes resources that moto does not support, then all that refer to them. Returns the types of the first, and the names of
    the others with what each refers to."""
    known = get_model_map()
    resources = template["Resources"]
    # moto does not support aliases, but most resources refer to one. Replace each alias with its function.
    for name in [name for name in resources if name.endswith("Aliaslive") and resources[name]["Type"] not in known]:
        function = {"Fn::GetAtt": [name.removesuffix("Aliaslive"), "Arn"]}
        everything = json.dumps([resources, template["Outputs"]]).replace(json.dumps({"Ref": name}), json.dumps(function))
        resources, template["Outputs"] = json.loads(everything)
    # Nor a schedule group, to which the functions refer. Replace it with its name and its ARN.
    groups = [name for name in resources if resources[name]["Type"] == "AWS::Scheduler::ScheduleGroup" and resources[name]["Type"] not in known]
    for name in groups:
        group = resources[name]["Properties"]["Name"]["Fn::Sub"]
        arn = {"Fn::Sub": "arn:aws:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/" + group}
        everything = json.dumps([resources, template["Outputs"]])
        for reference, value in (({"Ref": name}, {"Fn::Sub": group}), ({"Fn::GetAtt": [name, "Arn"]}, arn)):
            everything = everything.replace(json.dumps(reference), json.dumps(value))
        resources, template["Outputs"] = json.loads(everything.replace("${" + name + "}", group))
    # Keep resources with a condition: moto does not need to support one that it does not create.
    gone = {name: item["Type"] for name, item in resources.items() if item["Type"] not in known and "Condition" not in item}
    because = {}
    while True:
        for name in {*gone, *because} & {*resources}:
            del resources[name]
        more = {name: sorted(names(item) & {*gone, *because}) for name, item in resources.items()}
        more = {name: missing for name, missing in more.items() if missing}
        if not more:
            break
        because.update(more)
    template["Resources"] = resources
    template["Outputs"] = {k: v for k, v in template["Outputs"].items() if not names(v) & {*gone, *because}}
    return {"unknown": sorted({*gone.values()}), "because_of_them": because}


def read_back(ids):
    def attributes(url):
        return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    table = boto3.client("dynamodb").describe_table(TableName=ids["Table"])["Table"]
    functions = boto3.client("lambda")
    sns = boto3.client("sns")
    bucket = boto3.client("s3").get_bucket_encryption(Bucket=ids["UseCases"])["ServerSideEncryptionConfiguration"]
    return {
        "table": {key: table[key] for key in ("KeySchema", "GlobalSecondaryIndexes", "BillingModeSummary")},
        "delay_queue": attributes(ids["DelayQueue"]),
        "dead_letters": attributes(ids["DeadLetters"]),
        "bucket_encryption": bucket["Rules"][0]["ApplyServerSideEncryptionByDefault"],
        "topic_keys": {
            name: sns.get_topic_attributes(TopicArn=ids[name])["Attributes"].get("KmsMasterKeyId", "")
            for name in ("Notifications", "Alarms")
        },
        "environment": {
            name: functions.get_function_configuration(FunctionName=ids[name])["Environment"]["Variables"]
            for name in ("Processor", "Target", "Janitor")
        },
        "rules": [rule["Name"] for rule in boto3.client("events").list_rules()["Rules"]],
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
