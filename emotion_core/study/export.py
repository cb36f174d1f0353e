"""A study's tables, code book, methods, figure and starter scripts as files."""

from __future__ import annotations

import io
import json
import tempfile
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.errors import MissingExtraError
from emotion_core.files.archive import pack
from emotion_core.photos.tables import table_to_csv
from emotion_core.reporting.group_chart import group_chart
from emotion_core.reporting.photo_charts import to_html
from emotion_core.study.codebook import NOTES, TABLES, codebook, codebook_markdown, meaning_of
from emotion_core.study.methods import methods_text, references
from emotion_core.study.project import PROJECT_SUFFIX, to_project
from emotion_core.study.report import study_report
from emotion_core.study.settings import TABLE_FORMATS
from emotion_core.study.store import table_to_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from emotion_core.photos.tables import Decimal
    from emotion_core.study.settings import TableFormat
    from emotion_core.study.tables import Study, StudyTables

_PACKAGES = {"xlsx": ("Excel files", "xlsxwriter"), "sav": ("SPSS files", "pyreadstat")}
_BIG = "all_frames"
"""The table that is left out of workbooks, JSON and SPSS: it has a row per frame."""

_SETTINGS = "study_settings.json"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_LONG_AGO = datetime(1980, 1, 1)  # the time of writing would change the bytes
_SAV_DATE, _LONG_AGO_IN_SAV = slice(92, 109), b"01 Jan 8000:00:00"
_CELL_CHARACTERS = 32_767


def study_files(
    study: Study,
    tables: StudyTables,
    formats: Collection[TableFormat] = (),
    decimal: Decimal = ".",
) -> Iterator[tuple[str, bytes]]:
    """Makes the files of a study; the same study gives the same bytes.

    Args:
        study: The study.
        tables: Made of it.
        formats: What tables are written as besides CSV.
        decimal: Decimal sign of the CSV files, see ``table_to_csv``.

    Yields:
        Names and contents: a CSV file for each table, and of events if there are any; the tables
        in the other formats; code book, methods, references, the group figure, scripts that draw it
        again, the report, and settings.

    Raises:
        MissingExtraError: A format needs a package that is not installed.
    """
    need_packages(formats)
    for name, make in _makers(study, tables, decimal).items():
        if _format_of(name) in (None, *formats):
            yield name, make()


def study_file_names(study: Study, tables: StudyTables) -> list[str]:
    """The names of all files of a study, in all formats whose packages are installed."""
    written = [None, *filter(_is_installed, TABLE_FORMATS)]
    return [name for name in _makers(study, tables, ".") if _format_of(name) in written]


def study_file(study: Study, tables: StudyTables, name: str, decimal: Decimal = ".") -> bytes:
    """Makes one of the files of a study, one of ``study_file_names``."""
    return _makers(study, tables, decimal)[name]()


def write_study_bundle(study: Study, tables: StudyTables, decimal: Decimal = ".") -> bytes:
    """All files of a study and its project in one ZIP archive; the same study, the same bytes."""
    names = study_file_names(study, tables)
    files = ((name, study_file(study, tables, name, decimal)) for name in names)
    project = ((name, to_project(study, tables)) for name in (f"study{PROJECT_SUFFIX}",))
    return pack(chain(files, project), _ZIP_DATE)


def _table_makers(tables: StudyTables, decimal: Decimal) -> dict[str, Callable[[], bytes]]:
    """What makes the files of each table."""
    makers: dict[str, Callable[[], bytes]] = {}
    for name, table in tables.items():
        makers[f"{name}.csv"] = partial(table_to_csv, table, decimal)
        makers[f"{name}.parquet"] = partial(table_to_parquet, table)
        if name != _BIG and len(table):
            makers[f"{name}.sav"] = partial(_to_sav, table)
    return makers


def _makers(study: Study, tables: StudyTables, decimal: Decimal) -> dict[str, Callable[[], bytes]]:
    """What makes each file, in the order in which they are written."""
    makers = _table_makers(tables, decimal)
    if len(study.events):  # in the form that ``read_events`` reads
        makers["events.csv"] = partial(table_to_csv, study.events, decimal)
    book = partial(codebook, tables, study.events)
    return makers | {
        "study.xlsx": lambda: _to_workbook(tables, book()),
        "study.json": lambda: _to_json(study, tables),
        "codebook.csv": lambda: table_to_csv(book(), decimal),
        "codebook.md": lambda: codebook_markdown(book()).encode(),
        "methods.md": lambda: methods_text(study, tables).encode(),
        "references.bib": lambda: references(study.about.get("version", "")).encode(),
        "group_figure.html": lambda: to_html(
            group_chart(tables.group_curves, tables.participant_curves), title="Valence over time"
        ).encode(),
        "group_figure.py": partial(_script, "py", decimal),
        "group_figure.R": partial(_script, "R", decimal),
        "report.html": lambda: study_report(study, tables).encode(),
        _SETTINGS: lambda: json.dumps(_settings(study), indent=2, ensure_ascii=False).encode(),
    }


def _format_of(name: str) -> TableFormat | None:
    """The format in which a file has tables besides CSV, if it is one."""
    suffix = name.rpartition(".")[2]
    return next((f for f in TABLE_FORMATS if f == suffix and name != _SETTINGS), None)


def _is_installed(table_format: TableFormat) -> bool:
    try:
        need_packages((table_format,))
    except MissingExtraError:
        return False
    return True


def need_packages(formats: Collection[TableFormat]) -> None:
    """Raises a ``MissingExtraError`` if a format needs a package that is not installed."""
    for table_format in formats:
        if table_format in _PACKAGES:
            what, package = _PACKAGES[table_format]
            try:
                import_module(package)
            except ImportError as error:
                raise MissingExtraError(
                    f"{what} need the package {package}: pip install {package}; or leave them out."
                ) from error


def other_names(formats: Collection[TableFormat]) -> Iterator[str]:
    """Files of formats that are not written, which an earlier run may have left."""
    for table_format in set(TABLE_FORMATS) - set(formats):
        if table_format in ("xlsx", "json"):
            yield f"study.{table_format}"
        else:
            yield from (f"{name}.{table_format}" for name in TABLES)


def _script(suffix: str, decimal: Decimal) -> bytes:
    text = (files(__package__) / "templates" / f"group_figure.{suffix}.txt").read_text("utf-8")
    separator = ";" if decimal == "," else ","
    return text.replace("@SEP@", separator).replace("@DECIMAL@", decimal).encode()


def _settings(study: Study) -> dict[str, Any]:
    return {
        "about": dict(study.about),
        "settings": study.settings.to_fields(),
        "edits": json.loads(study.edits.to_json())["edits"],
        "notes": list(NOTES),
    }


def _small(tables: StudyTables) -> Iterator[tuple[str, pd.DataFrame]]:
    return ((name, table) for name, table in tables.items() if name != _BIG)


def _to_json(study: Study, tables: StudyTables) -> bytes:
    rows = {name: json.loads(table.to_json(orient="records")) for name, table in _small(tables)}
    return json.dumps({**_settings(study), "tables": rows}, ensure_ascii=False).encode()


def _to_workbook(tables: StudyTables, book: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    # what begins with = stays text
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    notes = pd.DataFrame({"notes": [*NOTES, f"{_BIG} is in {_BIG}.csv: it has a row per frame."]})
    with pd.ExcelWriter(buffer, "xlsxwriter", engine_kwargs={"options": options}) as writer:
        writer.book.set_properties({"created": _LONG_AGO})
        for name, table in [("notes", notes), *_small(tables), ("codebook", book)]:
            table.to_excel(writer, sheet_name=name, index=False, freeze_panes=(1, 0))
    return buffer.getvalue()


def _to_sav(table: pd.DataFrame) -> bytes:
    """A table for SPSS, with what each column means as its label.

    Words are text, truth values 0 and 1, and missing is missing.
    """
    import pyreadstat

    plain = table.copy()
    plain.attrs = {}
    for name in plain.columns:
        values = plain[name]
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            plain[name] = values.astype("Float64").to_numpy(float, na_value=float("nan"))
        else:
            texts = values.astype(object).where(values.notna(), "")
            plain[name] = [str(text)[:_CELL_CHARACTERS] for text in texts]
    labels: list[str | None] = [meaning_of(str(name))[:250] for name in plain.columns]
    with tempfile.TemporaryDirectory() as folder:  # the library writes to paths only
        path = Path(folder) / "table.sav"
        pyreadstat.write_sav(plain, str(path), column_labels=labels)
        data = bytearray(path.read_bytes())
    data[_SAV_DATE] = _LONG_AGO_IN_SAV  # the same table, the same bytes
    return bytes(data)
