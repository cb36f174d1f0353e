"""A training from data sets to weights: what ``python -m emotion_core train`` does."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from emotion_core.errors import EmotionError
from emotion_core.training.datasets.loading import DatasetSource, read_sources
from emotion_core.training.emotion.distillation import (
    EmotionTeacher,
    learn_from_teachers,
    load_emotion_teacher,
)
from emotion_core.training.emotion.history import best_epoch, progress_line
from emotion_core.training.emotion.landmarker import N_OUTPUTS, FaceLandmarker, read_actions
from emotion_core.training.emotion.load import FILES
from emotion_core.training.emotion.loader import count_steps
from emotion_core.training.emotion.tensorboard import write_emotion_epoch, write_faces
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from emotion_core.training.engine.distributed import (
    DistributedContext,
    join_processes,
    share_tensor,
)
from emotion_core.training.engine.progress import Progress

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.engine.run_dir import RunFolder

_LOG = logging.getLogger(__name__)

OK, INTERRUPTED = 0, 130

ACTION_LABELS = Path("debug", "action-labels")
"""Folder of a landmarker's labels, for all runs."""


@dataclass(frozen=True, slots=True)
class EmotionTrainJob:
    """A training as a user requests it.

    Attributes:
        config: The hyper-parameters.
        run: The folder of the run.
        main: The first data set.
        also: Further ones to learn from.
        valid: For validation, or ``None`` for the main one's own.
        teachers: Names or files of teachers.
        landmarker: File of a landmarker, or ``None``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        resume: A checkpoint to start from, or ``None``.
        keep_every: Every n-th epoch's checkpoint is kept; 0 keeps none.
    """

    config: TrainConfig
    run: RunFolder
    main: DatasetSource
    also: tuple[DatasetSource, ...] = ()
    valid: DatasetSource | None = None
    teachers: tuple[str, ...] = ()
    landmarker: Path | None = None
    device: str = "auto"
    resume: Path | None = None
    keep_every: int = 0


def run_emotion_training(job: EmotionTrainJob) -> int:
    """Trains, or resumes an interrupted run.

    Returns:
        The exit code: 0 if done, 130 if stopped by the user.

    Raises:
        EmotionError: A data set, a checkpoint or a setting does not fit; the message says which.
    """
    saving = CheckpointPolicy(job.run.weights, job.keep_every, job.resume)
    with join_processes(job.device) as context, contextlib.ExitStack() as stack:
        if context.is_first:
            stack.enter_context(job.run.unless_refused())
            stack.enter_context(job.run.keep_log())
        config = job.config
        teachers = _find_teachers(job)
        config = replace(
            config,
            teacher=",".join(teacher.name for teacher in teachers),
            teacher_sha256=",".join(teacher.sha256 for teacher in teachers),
        )
        landmarker = _find_landmarker(job)
        if landmarker:
            config = replace(
                config, landmarker=landmarker.name, landmarker_sha256=landmarker.sha256
            )
        trainer = EmotionTrainer(config, saving, context)
        asked = [] if trainer.is_done else teachers

        def label(faces: FaceSet) -> FaceSet:
            return _teach(_add_actions(faces, landmarker, context), asked, config, context)

        faces, held_out = read_sources(job.main, job.also, job.valid, config, label)
        if context.is_first:
            job.run.write_config(config)
            _LOG.info("%s", _to_opening(trainer, faces, held_out, context))
        try:
            _train(trainer, faces, held_out, job.run, context)
        except KeyboardInterrupt:
            _LOG.info(
                "Stopped after epoch %d of %d; the same command%s goes on from there.",
                trainer.epoch,
                config.epochs,
                " without --resume" if job.resume else "",
            )
            return INTERRUPTED
        _LOG.info("%s", _to_end(trainer))
    return OK


def _train(
    trainer: EmotionTrainer,
    faces: FaceSet,
    held_out: FaceSet,
    run: RunFolder,
    context: DistributedContext,
) -> None:
    steps, epochs = count_steps(faces, trainer.config, context), trainer.config.epochs
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            Progress(steps * epochs, steps * trainer.epoch, is_visible=context.is_first)
        )
        writes = context.is_first and not trainer.is_done
        summary = run.open_summary(trainer.epoch) if writes else None
        if summary:
            write_faces(stack.enter_context(summary), faces, trainer.config)
        for report in trainer.iter_epochs(faces, held_out, bar.on_step):
            bar.on_epoch(report.metrics)
            _LOG.info("%s", progress_line(report, epochs))
            if writes:
                run.write_history(trainer.history)
            if summary:
                write_emotion_epoch(summary, report)


def _find_teachers(job: EmotionTrainJob) -> list[EmotionTeacher]:
    """The teachers that were requested, or that the run had before.

    Raises:
        EmotionError: One cannot be found by its name, or is another file.
    """
    names = job.teachers or tuple(filter(None, job.config.teacher.split(",")))
    for name in names:
        if not job.teachers and Path(name).suffix in FILES:
            raise EmotionError(
                f"The run learns from the teacher {name}; say where it is by --teacher FILE."
            )
    return [load_emotion_teacher(name, job.device) for name in names]


def _find_landmarker(job: EmotionTrainJob) -> FaceLandmarker | None:
    """The landmarker that was requested.

    Raises:
        EmotionError: It is not available, or the run learns from one and none was given.
    """
    if job.landmarker is not None:
        return FaceLandmarker(job.landmarker)
    if job.config.landmarker:
        raise EmotionError(
            f"The run learns from {job.config.landmarker}; say where it is by --landmarker FILE."
        )
    return None


def _add_actions(
    faces: FaceSet, landmarker: FaceLandmarker | None, context: DistributedContext
) -> FaceSet:
    """Asks the landmarker in the first process; the others then read what it has kept."""
    if landmarker is None:
        return faces
    actions = torch.zeros(len(faces), N_OUTPUTS)
    if context.is_first:
        actions = torch.from_numpy(read_actions(faces, landmarker, ACTION_LABELS))
    return replace(faces, actions=share_tensor(actions, context).numpy())


def _teach(
    faces: FaceSet,
    teachers: list[EmotionTeacher],
    config: TrainConfig,
    context: DistributedContext,
) -> FaceSet:
    """Runs the teachers in the first process."""
    if not teachers:
        return faces
    if context.is_first:
        _LOG.info("Asking %s about the %d faces of %s.", config.teacher, len(faces), faces.name)
        faces = learn_from_teachers(faces, teachers, config)
    targets, va = (
        share_tensor(torch.from_numpy(values), context).numpy()
        for values in (faces.targets, faces.va)
    )
    return replace(faces, targets=targets, va=va)


def _to_opening(
    trainer: EmotionTrainer, faces: FaceSet, held_out: FaceSet, context: DistributedContext
) -> str:
    config = trainer.config
    parameters = sum(p.numel() for p in trainer.averaged.parameters())
    start = f" from {trainer.pretrained}" if trainer.pretrained else ""
    processes = f", {context.world} processes" if context.world > 1 else ""
    return (
        f"{config.architecture}{start}, {parameters:,} parameters, {config.size_px} px, on "
        f"{context.device}{processes}: {len(faces)} faces of {faces.name}, validated on "
        f"{len(held_out)} of {held_out.name}."
    )


def _to_end(trainer: EmotionTrainer) -> str:
    done = f"{trainer.epoch} of {trainer.config.epochs} epochs are done"
    best = best_epoch(trainer.history)
    if not best:
        return f"{done}; weights in {trainer.saving.folder}."
    row = next(row for row in trainer.history if row["epoch"] == best)
    accuracy = row.get("accuracy")
    figure = f" (validation accuracy {accuracy:.4f})" if accuracy is not None else ""
    return f"{done}; the best was epoch {best}{figure}: {trainer.saving.best}."
