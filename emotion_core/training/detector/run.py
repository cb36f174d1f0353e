"""A training from data to weights: what ``python -m emotion_core train-detector`` does."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emotion_core.errors import DatasetError, EmotionError
from emotion_core.models.local import describe_file
from emotion_core.models.runtime import pick_device, usable_cores
from emotion_core.networks.face_net import load_face_network
from emotion_core.training.detector.batches import compose_step
from emotion_core.training.detector.epoch_report import best_row, epoch_line
from emotion_core.training.detector.evaluate import measure_ap
from emotion_core.training.detector.load import wrap_network
from emotion_core.training.detector.pseudo_labeller import load_pseudo_labeller
from emotion_core.training.detector.pseudo_labels import pseudo_label
from emotion_core.training.detector.readers import Sources, choose_validation
from emotion_core.training.detector.samples import SampleKind
from emotion_core.training.detector.tensorboard import (
    write_detector_epoch,
    write_found,
    write_mosaics,
)
from emotion_core.training.detector.trainer import DetectorTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from emotion_core.training.engine.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.networks.face_net import FaceNetwork
    from emotion_core.training.detector.config import DetectorTrainConfig
    from emotion_core.training.detector.samples import DetectionSample
    from emotion_core.training.detector.trainer import Validate
    from emotion_core.training.engine.run_dir import RunFolder
    from emotion_core.types import Device

_LOG = logging.getLogger(__name__)

OK, INTERRUPTED = 0, 130
_MAX_VALIDATED = 300
_SHOWN = 8
_MAX_WORKERS = 16


@dataclass(frozen=True, slots=True)
class DetectorTrainJob:
    """A training as a user requests it.

    Attributes:
        config: The hyper-parameters.
        run: The folder of the run.
        sources: To learn from; a part is held out.
        labels: Folder of the teacher's labels.
        teacher: Name or file of a teacher, or ``None``.
        init: Released weights to start from, or ``None``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        resume: A checkpoint to start from, or ``None``.
        keep_every: Every n-th epoch's checkpoint is kept; 0 keeps none.
        n_workers: Processes that compose images; ``None``: one less than there are cores.
    """

    config: DetectorTrainConfig
    run: RunFolder
    sources: Sources
    labels: Path
    teacher: str | None = None
    init: Path | None = None
    device: str = "auto"
    resume: Path | None = None
    keep_every: int = 0
    n_workers: int | None = None


def run_detector_training(job: DetectorTrainJob) -> int:
    """Trains, or resumes an interrupted run.

    Returns:
        The exit code: 0 if done, 130 if stopped by the user.

    Raises:
        EmotionError: Data, a checkpoint or a setting does not fit; the message says which.
    """
    saving = CheckpointPolicy(job.run.weights, job.keep_every, job.resume)
    with job.run.unless_refused(), job.run.keep_log():
        device = pick_device(job.device)
        samples = [p for part in job.sources.read().values() for p in part]
        try:
            samples, config = _ask_teacher(job, samples)
        except KeyboardInterrupt:
            _LOG.info("Stopped; the labels so far are kept in %s.", job.labels)
            return INTERRUPTED
        start = None
        if job.init is not None:
            start = load_face_network(job.init).network
            sha256 = describe_file(job.init).sha256
            config = replace(config, init=job.init.name, init_sha256=sha256)
        trainer = DetectorTrainer(config, saving, device, start)
        job.run.write_config(config)
        try:
            _train(trainer, samples, job, device)
        except KeyboardInterrupt:
            _LOG.info(
                "Stopped after epoch %d; the same command%s goes on from there.",
                trainer.epoch,
                " without --resume" if job.resume else "",
            )
            return INTERRUPTED
        _LOG.info("%s", _to_end(trainer))
    return OK


def _ask_teacher(
    job: DetectorTrainJob, samples: list[DetectionSample]
) -> tuple[list[DetectionSample], DetectorTrainConfig]:
    """Completes the labels, and records the teacher in the configuration."""
    if job.teacher is None:
        if any(p.kind is SampleKind.PORTRAITS for p in samples):
            raise EmotionError("Portraits need a teacher that marks the faces: --teacher yunet.")
        return samples, job.config
    teacher = load_pseudo_labeller(job.teacher)
    config = replace(job.config, teacher=teacher.name, teacher_sha256=teacher.sha256)
    has_boxes = any(p.kind is SampleKind.BOXES and p.held_out for p in samples)
    unused = [p for p in samples if p.kind is SampleKind.PORTRAITS and p.held_out and has_boxes]
    skipped = {id(p) for p in unused}  # used neither for training nor for validation
    return pseudo_label([p for p in samples if id(p) not in skipped], teacher, job.labels), config


def _train(
    trainer: DetectorTrainer,
    samples: list[DetectionSample],
    job: DetectorTrainJob,
    device: Device,
) -> None:
    config = trainer.config
    training = [p for p in samples if not p.held_out]
    if not any(len(p.boxes) for p in training):
        raise DatasetError("There is no face to learn from; give --boxes, --wider or --portraits.")
    held_out = choose_validation([p for p in samples if p.held_out], _MAX_VALIDATED)
    _LOG.info("%s", _to_opening(trainer, training, held_out, device))
    n_workers = job.n_workers
    if n_workers is None:
        n_workers = min(_MAX_WORKERS, max(1, usable_cores() - 1))
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(_make_bar(trainer))
        summary = None if trainer.is_done else job.run.open_summary(trainer.epoch)
        if summary:
            write_mosaics(stack.enter_context(summary), compose_step(training, config, 0))
        validate = _make_validation(held_out, device, trainer, summary) if held_out else None
        for report in trainer.iter_epochs(training, validate, bar.on_share, n_workers=n_workers):
            if report.ap is not None:
                bar.show(f"AP {report.ap:.4f}")
            _LOG.info("%s", epoch_line(report, trainer.progress))
            job.run.write_history(trainer.history)
            if summary:
                write_detector_epoch(summary, report)


def _make_bar(trainer: DetectorTrainer) -> Progress:
    """A bar over steps, or over seconds where the clock ends the run."""
    n_steps = trainer.config.n_steps
    if n_steps:
        return Progress(n_steps, trainer.step, is_visible=True)
    total_s = round(trainer.config.minutes * 60)
    return Progress(total_s, round(trainer.elapsed_s), is_visible=True, unit="s")


def _make_validation(
    held_out: list[DetectionSample],
    device: Device,
    trainer: DetectorTrainer,
    summary: Any | None,
) -> Validate:
    shown = held_out[:: max(1, len(held_out) // _SHOWN)][:_SHOWN]

    def validate(network: FaceNetwork) -> float:
        detector = wrap_network(network, device, trainer.saving.last)
        if summary:
            images = [p.file.read() for p in shown]
            faces = detector.detect(images)
            write_found(summary, images, faces, trainer.epoch)
        return measure_ap(detector, held_out)

    return validate


def _to_opening(
    trainer: DetectorTrainer,
    training: list[DetectionSample],
    held_out: list[DetectionSample],
    device: Device,
) -> str:
    config = trainer.config
    n = {kind: sum(p.kind is kind for p in training) for kind in SampleKind}
    length = f"{config.n_steps} steps" if config.n_steps else f"{config.minutes:g} minutes"
    parameters = sum(p.numel() for p in trainer.average.parameters())
    start = f" from {config.init}" if config.init else ""
    return (
        f"{parameters:,} parameters{start}, {length} of {config.batch_size} images of "
        f"{config.size_px} px on {device}: "
        f"{n[SampleKind.BOXES]} marked images, {n[SampleKind.PORTRAITS]} portraits, "
        f"{n[SampleKind.SCENES]} scenes; validated on {len(held_out)}."
    )


def _to_end(trainer: DetectorTrainer) -> str:
    done = f"{trainer.epoch} epochs, {trainer.step} steps are done"
    best = best_row(trainer.history)
    if best is None:
        return f"{done}; weights in {trainer.saving.last}."
    figure = f"AP {best['average_precision']:.4f}"
    return f"{done}; the best was epoch {best['epoch']} ({figure}): {trainer.saving.best}."
