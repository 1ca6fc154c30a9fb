# SPDX-License-Identifier: MIT
"""Webhooks of posthorn, made by the provider that Pulumi publishes for Pulumi Cloud.

  pulumi login --local          # where the state of this program is: posthorn keeps none
  pulumi stack init prod
  pulumi config set url https://posthorn.example.com
  pulumi config set --secret token TOKEN      # posthorn token create --org acme --scopes read,write
  pulumi config set organization acme
  pulumi up
"""

import pulumi
import pulumi_pulumiservice as service

config = pulumi.Config()
organization = config.require("organization")
posthorn = pulumi.ResourceOptions(provider=service.Provider(
    "posthorn", api_url=config.require("url"), access_token=config.require_secret("token")))

audit = service.Webhook(
    "audit",
    organization_name=organization,
    display_name="Audit log",
    payload_url=config.get("auditUrl") or "https://audit.example.com/events",
    secret=config.get_secret("auditSecret"),
    active=True,
    opts=posthorn)

failures = service.Webhook(
    "failures",
    organization_name=organization,
    project_name="web",
    stack_name="prod",
    display_name="Failed updates",
    payload_url="https://hooks.slack.com/services/T0/B0/x",
    format=service.WebhookFormat.SLACK,
    filters=[service.WebhookFilters.UPDATE_FAILED, service.WebhookFilters.DESTROY_FAILED],
    active=True,
    opts=posthorn)

pulumi.export("audit", audit.name)
pulumi.export("failures", failures.name)
