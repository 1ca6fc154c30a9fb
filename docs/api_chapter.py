#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""api_chapter — the chapter about the API, from the OpenAPI documents of the tree.

  docs/api_chapter.py          prints it as Markdown

Operations that are the same for several places (an organization, a stack, an environment) stand
together, with all their paths. Those of Pulumi Cloud's own document are marked.
"""

import collections
import json
import pathlib
import re

TREE = pathlib.Path(__file__).resolve().parent.parent
METHODS = ("get", "post", "put", "patch", "delete")


def read(name):
    return json.loads((TREE / name).read_text())


def shape(method, path):
    """What two documents have in common: names of parameters differ."""
    return method, re.sub(r"\{[^}]*\}", "{}", path)


def one_line(text):
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def type_of(schema):
    """A type in a few characters."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(type_of(one) for one in schema[word]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return schema.get("type", "any")


def bodies_of(content):
    return "; ".join(f"{type_of(how.get('schema', {}))} (`{kind}`)"
                     for kind, how in content.items())


def resolve(document, value):
    while "$ref" in value:
        parts = value["$ref"].removeprefix("#/").split("/")
        value = document
        for part in parts:
            value = value[part]
    return value


def operations(document):
    """{what it is: [paths]}, by tag, in the document's order."""
    tags = collections.OrderedDict((tag["name"], {}) for tag in document["tags"])
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            own = {key: value for key, value in operation.items()
                   if key not in ("operationId", "parameters")}
            key = json.dumps([method, own], sort_keys=True)
            tags[operation["tags"][0]].setdefault(key, []).append((path, item, operation))
    return tags


def parameters(document, item, operation):
    """Those of the query and the header; those of the path name themselves."""
    for one in item.get("parameters", []) + operation.get("parameters", []):
        one = resolve(document, one)
        if one["in"] in ("query", "header"):
            yield one


def print_operation(document, method, places, pulumis):
    path, item, operation = places[0]
    print(f"### {one_line(operation['summary']).rstrip('.')}\n")
    print("```text")
    for path, _, _ in places:
        mark = "  (Pulumi's)" if shape(method, path) in pulumis else ""
        print(f"{method.upper()} {path}{mark}")
    print("```\n")
    if "description" in operation:
        print(one_line(operation["description"]) + "\n")
    body = resolve(document, operation.get("requestBody", {}))
    if body:
        print(f"Body: {bodies_of(body['content'])}\n")
    rows = {one["name"]: one for place in places
            for one in parameters(document, place[1], place[2])}
    for one in rows.values():
        where = "" if one["in"] == "query" else " (header)"
        print(f"- `{one['name']}`{where}, {type_of(one.get('schema', {}))}: "
              f"{one_line(one.get('description', ''))}".rstrip(": "))
    if rows:
        print()
    answers = []
    for code, answer in operation["responses"].items():
        answer = resolve(document, answer)
        kind = bodies_of(answer.get("content", {}))
        answers.append(f"{code}: {kind or one_line(answer.get('description', ''))}")
    print(f"Answers: {'. '.join(answers)}.\n")


def print_schema(name, schema):
    print(f"### {name}\n")
    if "description" in schema:
        print(one_line(schema["description"]) + "\n")
    parts = [schema, *(part for part in schema.get("allOf", []) if "properties" in part)]
    members = {key: value for part in parts for key, value in part.get("properties", {}).items()}
    required = {key for part in parts for key in part.get("required", [])}
    if not members:
        print(f"{type_of(schema)}.\n")
        return
    for key, value in members.items():
        must = ", always there" if key in required else ""
        said = one_line(value.get("description", ""))
        print(f"- `{key}`, {type_of(value)}{must}{': ' + said if said else ''}")
    others = [type_of(part) for part in schema.get("allOf", []) if "$ref" in part]
    if others:
        print(f"- and the members of {', '.join(others)}")
    print()


def main():
    document = read("api/openapi.json")
    contract = read("tests/contract/pulumi-webhooks.openapi.json")
    pulumis = {shape(method, path) for path, item in contract["paths"].items()
               for method in item if method in METHODS}
    print("# API: every operation and every body\n")
    print("This chapter is made from the OpenAPI document, which an engine serves at "
          "`/api/openapi.json`. Operations marked as Pulumi's are those of Pulumi Cloud's own "
          "document. " + one_line(document["info"]["description"]) + "\n")
    print("A request has a token: `Authorization: token TOKEN`, or `Authorization: Bearer TOKEN`, "
          "or `x-access-token: TOKEN`. Events go to the address of event intake, all other "
          "requests to that of the API. [Concepts](concepts.md) explains the words.\n")
    for tag, found in operations(document).items():
        if found:
            print(f"## {tag}\n")
        for key, places in found.items():
            print_operation(document, json.loads(key)[0], places, pulumis)
    print("## Bodies\n")
    for name, schema in document["components"]["schemas"].items():
        print_schema(name, schema)


if __name__ == "__main__":
    main()
