"""Prints the Terraform configuration in a directory as JSON: terraform.py DIRECTORY

{"resources": {"TYPE.NAME": attributes}, "policies": {"TYPE.NAME": document}, "locals": {...}, "variables": {...}}. Expressions stay text,
but for the documents of policies.
"""

import json
import pathlib
import sys

import hcl2


def plain(value):
    """Removes the quotes that the parser keeps around names and texts."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def read(directory):
    found = {"resources": {}, "policies": {}, "locals": {}, "variables": {}}
    for path in sorted(pathlib.Path(directory).glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            document = plain(hcl2.load(file))
        for block in document.get("resource", []):
            for kind, named in block.items():
                for name, attributes in named.items():
                    found["resources"][f"{kind}.{name}"] = attributes
                    policy = attributes.get("policy", "")
                    if policy.startswith("${jsonencode("):
                        text = policy.removeprefix("${jsonencode(").removesuffix(")}")
                        found["policies"][f"{kind}.{name}"] = plain(hcl2.loads(f"it = {text}\n"))["it"]
        for block in document.get("locals", []):
            found["locals"].update(block)
        for block in document.get("variable", []):
            found["variables"].update(block)
    return found


if __name__ == "__main__":
    json.dump(read(sys.argv[1]), sys.stdout, indent=1)
