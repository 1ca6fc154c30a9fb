# SPDX-License-Identifier: MIT
"""The container image, compose.yaml and the objects for Kubernetes. Nothing here needs a
container engine: the image's files are put together and run as one would run them."""

import os
import re
import subprocess

import pytest
import yaml

from engine import BINARY
from nats_servers import find_server
from support import ROOT

DEPLOY = ROOT / "deploy"
USER = 10001


def containerfile(name):
    """What the last stage says, one string for each instruction of that name."""
    text = (DEPLOY / "Containerfile").read_text().split("\nFROM scratch\n")[1]
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line.split(None, 1)[1] for line in lines if line.startswith(f"{name} ")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_image_delivers_with_its_own_files_alone(tmp_path):
    """Read-only, as its user, with its health check."""
    root = tmp_path / "root"
    subprocess.run([DEPLOY / "image-root", ROOT / "build/posthorn", root], check=True)
    result = subprocess.run([ROOT / "tests/service/imaged", root], capture_output=True,
                            text=True, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok: delivered" in result.stdout


def test_the_image_is_no_root_and_drains():
    assert containerfile("USER") == [f"{USER}:{USER}"]
    assert containerfile("STOPSIGNAL") == ["SIGTERM"]
    # A new volume gets the owner that its place has in the image.
    (volume,) = containerfile("VOLUME")
    assert (f"--from=build --chown={USER}:{USER} /image-data {os.path.dirname(volume)}"
            in containerfile("COPY"))
    assert "posthorn" in containerfile("HEALTHCHECK")[0]
    assert re.search(rf"(?m)^user={USER}\b", (DEPLOY / "image-root").read_text())


def test_the_image_is_not_made_of_keys_and_builds():
    """What git leaves out stays outside of the image, too, and so does git's own."""
    left_out = {line.strip("/") for line in
                (ROOT / ".dockerignore").read_text().splitlines()
                if line and not line.startswith("#")}
    assert ".git" in left_out
    for line in (ROOT / ".gitignore").read_text().splitlines():
        name = line.strip("/")
        assert left_out & {name, f"**/{name}"}, f"{line} would go into the image"


# --- compose.yaml ---

def drain_s():
    """How long a drain may take, in seconds: the default of drain_timeout."""
    shown = subprocess.run([BINARY, "config"], check=True, capture_output=True, text=True)
    return int(re.search(r"(?m)^drain_timeout = (\d+)s", shown.stdout).group(1))


def test_compose_has_one_service_that_may_write_to_its_volume_alone():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    (service,) = compose["services"].values()
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/var/lib/posthorn"]
    assert set(compose["volumes"]) == {"data"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert int(service["stop_grace_period"].rstrip("s")) > drain_s()
    build = service["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(
        DEPLOY / "Containerfile")


# --- Kubernetes ---

@pytest.fixture(scope="module")
def objects():
    """By kind, from the files that kustomization.yaml names."""
    folder = DEPLOY / "kubernetes"
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert set(names) == {f.name for f in folder.glob("*.yaml")} - {"kustomization.yaml"}
    found = {}
    for name in names:
        for thing in yaml.safe_load_all((folder / name).read_text()):
            found[thing["kind"]] = thing
    return found


def test_the_pod_is_restricted_and_has_time_to_drain(objects):
    spec = objects["StatefulSet"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 1
    assert pod["terminationGracePeriodSeconds"] == 60 > drain_s()
    assert pod["securityContext"]["runAsUser"] == USER == pod["securityContext"]["fsGroup"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]}}
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"]
             for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


def test_the_pods_settings_are_settings(objects):
    """The program takes them, with the variables of the image."""
    (container,) = objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    variables = dict(pair.split("=", 1) for pair in containerfile("ENV")[0].split())
    variables |= {entry["name"]: entry["value"] for entry in container["env"]}
    result = subprocess.run([BINARY, "config"], capture_output=True, text=True, env=variables)
    assert result.returncode == 0, result.stdout + result.stderr
    for name, value in variables.items():
        if name.startswith("POSTHORN_"):
            setting = name.removeprefix("POSTHORN_").lower()
            assert re.search(rf"(?m)^{setting} = {re.escape(value)} ", result.stdout), name


def test_objects_fit_each_other(objects):
    spec = objects["StatefulSet"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    labels = {"app.kubernetes.io/name": "posthorn"}
    assert spec["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert spec["serviceName"] == objects["Service"]["metadata"]["name"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listens = dict(pair.split("=", 1) for pair in containerfile("ENV")[0].split())
    assert ports == {"api": int(listens["POSTHORN_API_LISTEN"].split(":")[1]),
                     "ingest": int(listens["POSTHORN_INGEST_LISTEN"].split(":")[1])}
    for port in objects["Service"]["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    claims = {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    assert mounts == volumes | claims
    kustomization = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    assert kustomization["namespace"] == objects["Namespace"]["metadata"]["name"]
    (secret,) = kustomization["secretGenerator"]
    assert secret["name"] == spec["template"]["spec"]["volumes"][0]["secret"]["secretName"]
    # What is secret is not committed.
    ignored = (DEPLOY / "kubernetes/.gitignore").read_text().split()
    assert {f"/{name}" for name in secret["files"]} <= set(ignored)


def test_the_network_policy_names_each_way(objects):
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {
        "api", "ingest"}
    # Nobody is let in whose pods have no label, and private networks are not receivers.
    assert all(peer["podSelector"]["matchLabels"]
               for rule in policy["ingress"] for peer in rule["from"])
    outside = policy["egress"][1]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(outside["to"][0]["ipBlock"]["except"])
    shown = subprocess.run([BINARY, "config"], check=True, capture_output=True, text=True)
    allowed = re.search(r"(?m)^endpoint_ports = (\S+)", shown.stdout).group(1)
    assert allowed == ",".join(
        str(port["port"]) + (f"-{port['endPort']}" if "endPort" in port else "")
        for port in outside["ports"])


# --- a cluster in Kubernetes ---

def test_the_nodes_of_a_cluster_have_settings_that_are_settings(objects):
    """What nodes.yaml adds to the pod: settings of the program, and the names that it is given."""
    folder = DEPLOY / "kubernetes-cluster"
    nodes = yaml.safe_load((folder / "nodes.yaml").read_text())
    base = objects["StatefulSet"]
    assert nodes["metadata"]["name"] == base["metadata"]["name"]
    assert nodes["spec"]["replicas"] == 3
    (container,) = nodes["spec"]["template"]["spec"]["containers"]
    of_the_pod = {"metadata.name": "posthorn-0", "status.podIP": "10.1.2.3"}
    variables = {entry["name"]: entry["value"] if "value" in entry else of_the_pod.get(
        entry["valueFrom"].get("fieldRef", {}).get("fieldPath"), "a secret")
        for entry in container["env"]}
    servers = [thing for thing in yaml.safe_load_all((folder / "nats.yaml").read_text())]
    nats = next(thing for thing in servers if thing["kind"] == "StatefulSet")
    named = re.findall(r"(nats-\d)\.(\w+)", variables["POSTHORN_CLUSTER"])
    assert named == [(f"nats-{n}", nats["spec"]["serviceName"])
                     for n in range(nats["spec"]["replicas"])]
    result = subprocess.run([BINARY, "config"], capture_output=True, text=True, env=variables)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"(?m)^node = posthorn-0 ", result.stdout)
    # The pod that makes the cluster is ready before the next one starts.
    assert "podManagementPolicy" not in nodes["spec"] and "podManagementPolicy" not in base["spec"]


def test_servers_and_nodes_of_a_cluster_reach_each_other():
    folder = DEPLOY / "kubernetes-cluster"
    files = yaml.safe_load((folder / "kustomization.yaml").read_text())
    used = {*files["resources"][1:], *(patch["path"] for patch in files["patches"]),
            *files["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert used == {path.name for path in folder.iterdir() if path.suffix in (".yaml", ".conf")}
    assert (folder / files["resources"][0]).samefile(DEPLOY / "kubernetes")
    ignored = (folder / ".gitignore").read_text().split()
    assert ignored == ["/" + name.split("=")[1] for name in files["secretGenerator"][0]["files"]]
    things = {thing["kind"]: thing
              for thing in yaml.safe_load_all((folder / "nats.yaml").read_text())}
    (container,) = things["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {port["name"]: port["port"] for port in things["Service"]["spec"]["ports"]}
    let_in, let_out = (
        {port["port"] for patch in yaml.safe_load((folder / "reach.yaml").read_text())
         if way in patch["path"] for port in patch["value"]["ports"]}
        for way in ("ingress", "egress"))
    assert let_in == {"api", "ingest"}
    assert let_out == {8080, 8081, ports["client"], ports["monitor"]}


def test_the_servers_take_what_is_theirs_in_kubernetes(tmp_path):
    text = (DEPLOY / "kubernetes-cluster/nats.conf").read_text()
    sample = (DEPLOY / "nats-server.conf").read_text()
    for setting in ("sync_interval: always", "max_payload: 1MB", 'ping_interval: "5s"'):
        assert setting in text and setting in sample
    path = tmp_path / "nats.conf"
    path.write_text(text)
    judged = subprocess.run(
        [find_server(), "-t", "-c", path], capture_output=True, text=True, timeout=20,
        env={**os.environ, "SERVER_NAME": "nats-0", "NATS_PASSWORD": "p0123456789"})
    assert judged.returncode == 0, judged.stderr
