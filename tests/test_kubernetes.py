"""What deploy/kubernetes names exists: settings, ports, paths, metrics, labels. No cluster is asked here."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.main import create_app
from app.metrics import Metrics
from app.processes.server import SLOW_READERS
from app.processes.supervisor import GRACE
from app.settings import PREFIX, Settings
from tests.test_containers import GPU, LISTENS, SERVICES, instructions

FOLDER = Path(__file__).parents[1] / "deploy/kubernetes"


def read(path: str) -> list[Any]:
    """The documents of a file."""
    return list(yaml.safe_load_all((FOLDER / path).read_text()))


[KUSTOMIZATION] = read("base/kustomization.yaml")
BASE = {document["kind"]: document for file in KUSTOMIZATION["resources"] for document in read(f"base/{file}")}
POD = BASE["Deployment"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
LABELS = KUSTOMIZATION["labels"][0]["pairs"]
PROBES = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
KUSTOMIZATIONS = sorted(FOLDER.glob("**/kustomization.yaml"))


def told(path: str) -> dict[str, str]:
    """The settings of a kustomization's ConfigMap."""
    [generated] = read(f"{path}/kustomization.yaml")[0]["configMapGenerator"]
    assert {"configMapRef": {"name": generated["name"]}} in CONTAINER["envFrom"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def in_image(monkeypatch: pytest.MonkeyPatch, *environments: dict[str, str]) -> Settings:
    """The settings in a pod: those of the image, and on top of them these."""
    image = dict(re.findall(rf"({PREFIX}\w+)=(\S+)", " ".join(instructions("ENV"))))
    for environment in (image, *environments):
        assert environment.keys() <= {PREFIX + name.upper() for name in Settings.model_fields}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
    return Settings()


def test_a_pod_listens_where_its_ports_say(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = in_image(monkeypatch, told("base"))
    assert {"http": settings.port, "management": settings.management_port} == PORTS
    assert str(settings.port) == LISTENS
    assert settings.device == "cpu"


def test_a_pod_hears_nothing_of_the_service_that_bears_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = BASE["Service"]["metadata"]["name"]
    with pytest.raises(ValidationError):
        in_image(monkeypatch, {f"{name.upper()}_PORT": "tcp://10.0.0.1:80"})
    assert POD["enableServiceLinks"] is False


def test_probes_ask_what_is_there(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"management_port": PORTS["management"]}))
    for name, asked in PROBES.items():
        client = TestClient(app, base_url=f"http://pod:{PORTS[asked['port']]}")
        assert client.get(asked["path"]).status_code == (503 if name == "readinessProbe" else 200), name
    outside = TestClient(app, base_url=f"http://pod:{PORTS[BASE['Service']['spec']['ports'][0]['targetPort']]}")
    assert outside.get("/metrics").status_code == 404


def test_only_a_process_that_does_not_answer_is_restarted() -> None:
    assert PROBES["livenessProbe"]["path"] == PROBES["startupProbe"]["path"] == "/healthz"
    assert PROBES["readinessProbe"]["path"] == "/readyz"


def test_a_pod_is_given_the_time_to_drain() -> None:
    hook = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = Settings.model_construct().drain_seconds + max(SLOW_READERS, GRACE)
    assert POD["terminationGracePeriodSeconds"] > hook + drain


def test_a_pod_can_write_nothing_and_gain_no_rights() -> None:
    user, group = map(int, instructions("USER")[-1].split(":"))
    who = POD["securityContext"]
    assert (who["runAsUser"], who["runAsGroup"], who["runAsNonRoot"]) == (user, group, True)
    assert who["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is BASE["ServiceAccount"]["automountServiceAccountToken"] is False
    assert POD["serviceAccountName"] == BASE["ServiceAccount"]["metadata"]["name"]


def test_a_pod_takes_what_a_container_of_compose_does() -> None:
    assert CONTAINER["resources"]["limits"]["memory"] == memory(SERVICES["app"])
    [patch] = read("overlays/gpu/deployment.yaml")
    limits = patch["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert (limits["memory"], limits["nvidia.com/gpu"]) == (memory(GPU), "1")
    [place] = [volume["emptyDir"] for volume in POD["volumes"]]
    [written] = SERVICES["app"]["tmpfs"]
    assert written == f"{CONTAINER['volumeMounts'][0]['mountPath']}:size={place['sizeLimit'].removesuffix('Gi')}g"


def memory(service: dict[str, Any]) -> str:
    """The memory of a compose service, in Kubernetes' unit."""
    return f"{service['mem_limit'].removesuffix('g')}Gi"


def test_a_gpu_is_asked_for_in_its_overlay_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nvidia" not in str(BASE)
    assert in_image(monkeypatch, told("base"), told("overlays/gpu")).device == GPU["environment"]["GANYMEDE_DEVICE"]
    [overlay] = read("overlays/gpu/kustomization.yaml")
    tags = {one["newTag"] for kustomization in (KUSTOMIZATION, overlay) for one in kustomization["images"]}
    assert {f"{CONTAINER['image']}:{tag}" for tag in tags} == {SERVICES["app"]["image"], GPU["image"]}


def test_keys_lie_where_the_service_is_told_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    [patch] = read("components/keys/deployment.yaml")
    pod = patch["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["name"] == CONTAINER["name"]
    given = in_image(monkeypatch, told("base"), {one["name"]: one["value"] for one in container["env"]})
    [mount], [volume] = container["volumeMounts"], pod["volumes"]
    said = (FOLDER / "components/keys/kustomization.yaml").read_text()
    assert f"create secret generic {volume['secret']['secretName']} --from-file={given.keys_file.name}" in said
    assert (mount["name"], mount["mountPath"]) == (volume["name"], str(given.keys_file.parent))
    assert "subPath" not in mount
    assert not given.allow_anonymous


def test_everything_is_of_the_same_pods() -> None:
    name = BASE["Deployment"]["metadata"]["name"]
    target = BASE["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", name)
    assert BASE["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == LABELS
    assert BASE["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == LABELS
    assert (
        BASE["HorizontalPodAutoscaler"]["spec"]["minReplicas"] > BASE["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    )
    assert "replicas" not in BASE["Deployment"]["spec"]  # the autoscaler's
    let_in = [port["port"] for rule in BASE["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    assert let_in == list(PORTS)


def test_the_autoscaler_s_metric_comes_from_the_service_through_prometheus() -> None:
    [scaled] = [
        one["pods"]["metric"]["name"] for one in BASE["HorizontalPodAutoscaler"]["spec"]["metrics"] if "pods" in one
    ]
    [rule] = read("monitoring/adapter-values.yaml")[0]["rules"]["custom"]
    [job] = read("monitoring/scrape.yml")[0]["scrape_configs"]
    assert rule["seriesQuery"] == f'{scaled}{{job="{job["job_name"]}"}}'
    assert f"# HELP {scaled} " in Metrics().exposition().decode()
    relabelled = {relabel.get("target_label") for relabel in job["relabel_configs"]}
    assert rule["resources"]["overrides"].keys() <= relabelled
    kept = {relabel["regex"] for relabel in job["relabel_configs"] if relabel.get("action") == "keep"}
    assert kept == {*LABELS.values(), "management"}
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == [KUSTOMIZATION["namespace"]]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl renders these, and isn't installed")
@pytest.mark.parametrize("above", ["base", "overlays/gpu"])
def test_kubectl_renders_it_with_keys_and_without(tmp_path: Path, above: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [kubernetes/{above}]\ncomponents: [kubernetes/components/keys]\n"
    )
    for folder in (FOLDER / above, tmp_path):
        done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)  # noqa: S607
        rendered = {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}
        assert rendered.keys() == BASE.keys() | {"ConfigMap"}
        [container] = rendered["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": rendered["ConfigMap"]["metadata"]["name"]}}]
        assert rendered["Service"]["spec"]["selector"] == LABELS
        assert ("env" in container) == (folder == tmp_path)
