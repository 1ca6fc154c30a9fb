# SPDX-License-Identifier: MIT
"""What a dashboard has to show: an organization whose webhooks do well, fail, rest and are
gone, with deliveries in every state."""

from receiver import Answer, Receiver
from support import wait_for

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SETTINGS = {
    "retry_schedule": "100ms,100ms",
    "failing_after": "3",
    "breaker_wait": "50ms",
    "breaker_wait_max": "100ms",
}
# What receivers and their owners can put into a page. Nothing of it may become markup.
HOSTILE = (
    "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202egpj.exe' \" `${7*7}`"
)


class World:
    """An engine with receivers, filled once."""

    def __init__(self, engine):
        self.engine = engine
        self.receiver = Receiver()
        self.hooks = {}
        self.fill()

    def hook(self, name, path, place="/api/orgs/acme/hooks", **fields):
        self.hooks[name] = self.engine.create_hook(
            self.receiver.url(path),
            place,
            name=name,
            **{"displayName": name, "secret": SECRET, **fields},
        )

    def fill(self):
        receiver, engine = self.receiver, self.engine
        receiver.script(
            "/ok", Answer(200, b'{"received":true}', {"Content-Type": "application/json"})
        )
        receiver.script(
            "/busy",
            Answer(503, b"try later", {"X-Attempt": "1"}),
            Answer(503, b"try again later", {"X-Attempt": "2"}),
            Answer(503, b"no", {"X-Attempt": "3"}),
        )
        receiver.script("/gone", Answer(410))
        receiver.script(
            "/hostile",
            Answer(
                200,
                HOSTILE.encode() + b"\xff\xfe\x00" + b"A" * 100_000,
                {
                    "X-Odd": HOSTILE.encode("ascii", "replace").decode(),
                    "Content-Type": "text/html",
                },
            ),
        )
        self.hook(
            "orders-eu",
            "/ok",
            filters=["order.*"],
            headers={"Authorization": "Bearer s3cret-of-orders"},
        )
        self.hook("crm", "/busy", filters=["order.created"])
        self.hook("audit", "/gone", filters=["user.*"])
        self.hook("billing", "/ok", filters=["invoice.*"], paused=True)
        self.hook("odd", "/hostile", filters=["odd.*"], displayName=HOSTILE[:120])
        self.hook(
            "deploys", "/ok", "/api/stacks/acme/website/prod/hooks", groups=["deployments"]
        )
        engine.settle_hooks()
        self.event = engine.post_event(
            "order.created", {"number": 7, "customer": {"id": "c-7"}, "note": "it's ä€"}
        )
        # Deliveries end in any order: what is newest is to be another event.
        engine.wait_deliveries(self.hooks["orders-eu"], 1)
        for i in range(4):
            engine.post_event("order.paid", {"number": i})
        engine.post_event("user.left", {"id": 1})
        engine.post_event("odd.one", {HOSTILE: HOSTILE})
        engine.post_event("invoice.made", {"sum": 9})
        wait_for(lambda: engine.deliveries(self.hooks["crm"], "?state=dead"), "a dead letter")
        wait_for(lambda: engine.deliveries(self.hooks["audit"]), "the webhook that is gone")
        wait_for(lambda: engine.deliveries(self.hooks["odd"]), "hostile bytes")
        wait_for(
            lambda: len(engine.deliveries(self.hooks["orders-eu"])) >= 5, "five deliveries"
        )

    def stop(self):
        self.receiver.stop()
