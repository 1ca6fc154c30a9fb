"""One operation of each tag through the client in Python that was generated from our
document. Arguments: the document, URLs of the API, of the intake and of a receiver, a
token. The generated package is beside this file."""

import importlib
import json
import pathlib
import pkgutil
import sys

import posthorn_client.api
from posthorn_client import AuthenticatedClient
from posthorn_client.api.akinon_webhooks import create_webhook
from posthorn_client.api.dashboard import create_login_code, get_session
from posthorn_client.api.history import get_organization_event
from posthorn_client.api.history import list_organization_deliveries
from posthorn_client.api.intake import post_organization_events, post_project_events
from posthorn_client.api.operations import get_health
from posthorn_client.api.pulumi_webhooks import create_organization_webhook
from posthorn_client.api.pulumi_webhooks import list_organization_webhook
from posthorn_client.api.pulumis_command_line import get_user
from posthorn_client.api.tokens import create_token
from posthorn_client.models import AkinonEvent, AkinonNew, Event, LoginCodeNew, TokenNew
from posthorn_client.models import Webhook

ORG, PROJECT = "5f0c1a2b3c4d5e6f70819203", "63ea10b94a472e003305232b"
OURS = "python"


def every_operation_is_there(document):
    """And can be imported; returns the tags."""
    modules = {}
    for found in pkgutil.walk_packages(posthorn_client.api.__path__,
                                       "posthorn_client.api."):
        module = importlib.import_module(found.name)
        if not found.ispkg:
            name = found.name.rpartition(".")[2].replace("_", "")
            assert name not in modules, f"{name} twice"
            modules[name] = module
    operations = [o for item in document["paths"].values() for o in item.values()
                  if "operationId" in o]
    assert {o["operationId"].lower() for o in operations} == set(modules)
    return {o["tags"][0] for o in operations}


def calls(api, intake, receiver):
    """By tag, what is called of it."""
    def pulumi():
        made = create_organization_webhook.sync_detailed(OURS, client=api, body=Webhook(
            organization_name=OURS, display_name="d", active=True,
            payload_url=receiver))
        assert made.status_code == 201
        listed = list_organization_webhook.sync(OURS, client=api)
        assert [hook.name for hook in listed] == [made.parsed.name]

    def akinon():
        made = create_webhook.sync(ORG, PROJECT, client=api, body=AkinonNew(
            name="x", url=receiver, events=["build"]))
        assert made.events == ["build"]

    def events():
        posted = post_organization_events.sync_detailed(
            OURS, client=intake, body=Event(kind="order.created", payload={"n": 1}))
        assert posted.status_code == 202 and posted.parsed.id
        posted = post_project_events.sync_detailed(
            ORG, PROJECT, client=intake, body=AkinonEvent(event="build"))
        assert posted.status_code == 202

    def tokens():
        made = create_token.sync(OURS, client=api,
                                 body=TokenNew.from_dict({"scopes": ["read"]}))
        assert made.token.startswith("pht_")

    def command_line():
        user = get_user.sync(client=api)
        assert OURS in [org.github_login for org in user.organizations]

    def operations():
        assert get_health.sync_detailed(client=api).status_code == 200

    def history():
        assert isinstance(list_organization_deliveries.sync(OURS, client=api), list)
        assert get_organization_event.sync(OURS, "none", client=api).code == 404

    def dashboard():
        assert get_session.sync(client=api).admin is True
        link = create_login_code.sync(client=api, body=LoginCodeNew(org=OURS))
        assert link.url.endswith("/dashboard/login#" + link.code)

    return {"Pulumi webhooks": pulumi, "Akinon webhooks": akinon, "Intake": events,
            "Tokens": tokens, "Pulumi's command line": command_line,
            "Operations": operations, "History": history, "Dashboard": dashboard}


def main():
    path, api, intake, receiver, token = sys.argv[1:]
    each = calls(*(AuthenticatedClient(base_url=url, token=token, prefix="token",
                                       raise_on_unexpected_status=True)
                   for url in (api, intake)), receiver)
    document = json.loads(pathlib.Path(path).read_text())
    assert every_operation_is_there(document) == set(each)
    for call in each.values():
        call()


main()
