import pytest
import yaml

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

from ray.serve.schema import ServeDeploySchema

from emotion_core.errors import EmotionError
from emotion_core.serving.deployment import ServerSettings, build
from tests.paths import ROOT

CONFIG = ROOT / "deploy" / "serve.yaml"


def deployment_of(application):
    return application._bound_deployment


def test_the_config_file_is_one_that_ray_serve_accepts():
    config = ServeDeploySchema(**yaml.safe_load(CONFIG.read_text()))
    (application,) = config.applications
    assert application.import_path == "emotion_core.serving.deployment:build"
    deployment = deployment_of(build(application.args))
    scaling = deployment._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (2, 8)
    assert deployment._deployment_config.max_queued_requests == 256


def test_a_fixed_number_of_replicas_is_not_scaled():
    config = deployment_of(build({"min_replicas": 3, "max_replicas": 3}))._deployment_config
    assert config.autoscaling_config is None
    assert config.num_replicas == 3


def test_a_full_line_says_when_to_come_again():
    config = deployment_of(build({}))._deployment_config
    assert config.backpressure_config.status_code == 503
    assert config.backpressure_config.retry_after_s == 1


def test_a_field_that_does_not_exist_is_named():
    with pytest.raises(EmotionError, match="args has no field 'replicas'; there are: at_once, "):
        build({"replicas": 2})


@pytest.mark.parametrize(
    "wrong",
    [{"batch": 0}, {"queue": 0}, {"min_replicas": 0}, {"min_replicas": 2, "max_replicas": 1}],
    ids=str,
)
def test_numbers_that_make_no_server_are_refused(wrong):
    with pytest.raises(EmotionError, match="must be at least 1"):
        ServerSettings(**wrong)
