"""How long the Study page computes after one edit, with ninety videos of made readings.

Processor time of this process, so that other work on the machine does not count; no browser. The
readings are synthetic: what is measured does not depend on what they are.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.study.edits import (
    ExcludePerson,
    ExcludeVideo,
    MergePeople,
    NeutralSpan,
    RenamePerson,
    TrimVideo,
)
from emotion_core.study.synthetic import synthetic_study
from streamlit_app.study.clips import StudyClip
from streamlit_app.study.state import StudyState

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measures and prints; see the module's description."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--people", type=int, default=30, help="three videos each")
    parser.add_argument("--seconds", type=float, default=300.0, help="of each video, at 10 rows")
    arguments = parser.parse_args()
    people = 4 if arguments.quick else arguments.people
    made = synthetic_study(people, seconds=arguments.seconds)
    state = StudyState()
    state.add(StudyClip.of_record(record) for record in made.records)
    state.about, state.is_project = dict(made.about), True
    state.events, baseline = made.events, made.settings.baseline
    file = made.records[4].video.file
    others = made.records[3].video.file

    def use_baseline() -> None:
        state.settings = made.settings if state.settings.baseline is None else type(made.settings)()

    steps: dict[str, Callable[[], None]] = {
        "first tables": lambda: None,
        "rename": lambda: state.edit(RenamePerson(file, 1, "Anna")),
        "leave a person out": lambda: state.edit(ExcludePerson(others, 2)),
        "merge": lambda: state.edit(MergePeople(others, (1, 2))),
        "exclude a video": lambda: state.edit(ExcludeVideo(file, "slept")),
        "undo that": lambda: state.undo(state.n_changes),
        "trim a video": lambda: state.edit(TrimVideo(file, 1.0, 20.0)),
        "baseline of all videos": use_baseline,
        "neutral span of a video": lambda: state.edit(NeutralSpan(file, 0.0, 3.0)),
        "rename, with a baseline": lambda: state.edit(RenamePerson(file, 1, "Ann")),
    }
    figures = {}
    for name, step in steps.items():
        step()
        start_s = time.process_time()
        state.tables()
        figures[name] = time.process_time() - start_s
    repeats = []
    for number in range(3):
        state.edit(RenamePerson(file, 1, f"Name {number}"))
        start_s = time.process_time()
        state.tables()
        repeats.append(time.process_time() - start_s)
    figures["another rename, median of 3"] = statistics.median(repeats)
    rows = sum(clip.n_rows for clip in state.clips)
    title = f"{len(state.clips)} videos, {rows:,} rows; baseline {baseline}"
    print_table(title, ["edit", "processor s"], list(figures.items()))
    write_json(arguments.json, {"machine": describe_machine(), "rows": rows, "figures": figures})


if __name__ == "__main__":
    main()
