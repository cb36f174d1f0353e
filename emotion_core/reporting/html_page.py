"""Self-contained HTML pages from the files in ``templates/``; they load nothing over a network."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jinja2
import vl_convert
from markupsafe import Markup

from emotion_core.reporting.chart_base import emotion_range
from emotion_core.reporting.dashboard import PLANE_PX, PLANE_ROOM_PX
from emotion_core.reporting.photo_charts import ScriptJson, vegalite_release
from emotion_core.reporting.timeline_layers import ROOM_PX

if TYPE_CHECKING:
    from altair.typing import ChartType


def render_page(template: str, charts: ChartType | None, **values: Any) -> str:
    """Fills a template; text in ``values`` is escaped.

    Args:
        template: Name of a file in ``templates/`` that extends ``page.html``.
        charts: A dashboard for the element with the id ``charts``, drawn at the page's width and
            in its colours, or ``None``.
        values: The template's variables, including ``title``.
    """
    if charts is not None:
        values["spec"] = json.dumps(charts.to_dict(validate=False), cls=ScriptJson)
        values["vega"] = vega_script()
        values["ranges"] = {
            theme: Markup(json.dumps(emotion_range(is_dark=theme == "dark")))  # noqa: S704 - ours
            for theme in ("light", "dark")
        }
        values["plane_px"], values["room_px"] = PLANE_PX + PLANE_ROOM_PX, ROOM_PX
    return _templates().get_template(template).render(values)


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("emotion_core.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@lru_cache(maxsize=1)
def vega_script() -> str:
    """Vega, Vega-Lite and vega-embed, in the version that Altair targets, as one script."""
    start = "window.vegaEmbed = vegaEmbed;"
    bundle: str = vl_convert.javascript_bundle(start, vegalite_release())
    return bundle
