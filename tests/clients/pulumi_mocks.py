# SPDX-License-Identifier: MIT
"""pulumi_mocks PROGRAM CONFIG — runs a program of Pulumi's with its own mocks, and prints what it
describes: the inputs of its provider and of its webhooks, as JSON."""

import json
import runpy
import sys

import pulumi

SECRET = "4dabf18193072939515e22adb298388d"  # marks a secret on the wire of Pulumi's engine

described = {}


def plain(inputs):
    """As the provider gets them; that they are secret, Pulumi's engine keeps in mind."""
    return {name: value["value"] if isinstance(value, dict) and SECRET in value else value
            for name, value in inputs.items()}


class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        if args.typ == "pulumi:providers:pulumiservice":
            described["provider"] = plain(args.inputs)
        else:
            assert args.typ == "pulumiservice:index:Webhook", args.typ
            described[args.name] = plain(args.inputs)
        return f"{args.name}-id", {**args.inputs, "name": args.name}

    def call(self, args):
        raise AssertionError(f"the program calls {args.token}")


pulumi.runtime.set_mocks(Mocks(), project="hooks", stack="test")
pulumi.runtime.set_all_config(json.loads(sys.argv[2]))


@pulumi.runtime.test
def run():
    runpy.run_path(sys.argv[1])


run()
print(json.dumps(described))
