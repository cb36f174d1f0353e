"""Keeps the paths of photos in a folder that is dropped on the page."""

from __future__ import annotations

import streamlit as st

_SCRIPT = """
const own = Object.getOwnPropertyDescriptor(File.prototype, "webkitRelativePath").get;
export default function () {
  const get = function () {
    return (own.call(this) || this.relativePath || "").replace(/^\\.?\\//, "");
  };
  Object.defineProperty(File.prototype, "webkitRelativePath", { get, configurable: true });
}
"""
"""Streamlit sends the path of a file where the browser tells it, which it does for a chosen folder
but not for a dropped one. Streamlit's own upload field has found out that path by then."""


def keep_folder_paths() -> None:
    """Lets upload fields give files of a dropped folder names such as ``folder/sub/a.jpg``."""
    st.components.v2.component("folder_paths", js=_SCRIPT)(key="folder-paths", height="content")
