"""Asks the browser why its camera is unavailable, and dresses the camera's frame as the page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import streamlit as st


class CameraFault(StrEnum):
    """Why there is no camera."""

    INSECURE = "insecure"
    """Browsers only allow the camera on HTTPS and localhost."""

    REFUSED = "refused"
    """The visitor or the browser's administrator does not allow it."""

    ABSENT = "absent"
    """There is none, or another program is using it."""


ADVICE = {
    CameraFault.INSECURE: (
        "The camera needs a secure page",
        "Browsers only allow the camera on HTTPS and localhost, and this address is neither. Open "
        "the page by its https address, or ask its operator to set one up.",
    ),
    CameraFault.REFUSED: (
        "The camera is blocked for this page",
        "Click the camera or the lock beside the address, allow the camera, and press Start. If "
        "that is not offered, look in the browser's and the system's privacy settings.",
    ),
    CameraFault.ABSENT: (
        "No camera was found",
        "Plug one in, or switch it on; this message goes away by itself. If there is one, another "
        "program may be using it.",
    ),
}
"""A heading for each fault, and what to do."""

_STYLE = (Path(__file__).parent / "camera_frame.css").read_text("utf-8")
_SCRIPT = """
const passKey = ({ key, code, ctrlKey, altKey, metaKey }) => {
  if (key !== "m" || ctrlKey || altKey || metaKey) return;
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true }));
};
let style = "";
const dress = ({ head }) => {
  if (head.querySelector("#emoscope")) return;
  for (const { href } of document.querySelectorAll('link[rel="stylesheet"]')) {  // has the fonts
    head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
  }
  const words = { id: "emoscope", textContent: style };
  head.append(Object.assign(document.createElement("style"), words));
};
const prepareFrame = () => {
  for (const frame of document.querySelectorAll('iframe[src*="webrtc_streamer"]')) {
    frame.title = "Camera";  // otherwise screen readers say the name of the component
    frame.addEventListener("load", prepareFrame);
    frame.contentWindow?.addEventListener("keydown", passKey);  // Start has the focus in there
    if (frame.contentDocument) dress(frame.contentDocument);
  }
};
export default function ({ data, parentElement, setStateValue }) {
  ({ style } = data);
  if (parentElement.emoscopeCheck) {
    parentElement.emoscopeKnown = data.fault;
    return;
  }
  parentElement.emoscopeKnown = data.fault;
  const devices = navigator.mediaDevices;
  let permission = null;
  const find = async () => {
    if (!window.isSecureContext || !devices) return "insecure";
    try {
      permission ??= await navigator.permissions.query({ name: "camera" });
      permission.onchange = check;
      if (permission.state === "denied") return "refused";
    } catch {}  // some browsers do not tell
    const all = await devices.enumerateDevices();
    return all.some((device) => device.kind === "videoinput") ? "" : "absent";
  };
  const check = async () => {
    const fault = await find();
    if (fault !== parentElement.emoscopeKnown) {
      parentElement.emoscopeKnown = fault;
      setStateValue("fault", fault);
    }
  };
  parentElement.emoscopeCheck = check;
  devices?.addEventListener("devicechange", check);
  check();
  prepareFrame();
  const timer = setInterval(prepareFrame, 1000);  // the frame may load late, and be another later
  return () => {
    clearInterval(timer);
    devices?.removeEventListener("devicechange", check);
    if (permission) permission.onchange = null;
    parentElement.emoscopeCheck = null;
  };
}
"""


def camera_fault(known: str) -> str:
    """Asks the browser, which reports again when a camera or a permission changes.

    Args:
        known: The browser's previous report.

    Returns:
        A ``CameraFault``, or an empty string if no fault is known.
    """
    probe = st.components.v2.component("camera_probe", js=_SCRIPT)
    found = probe(
        key="camera probe",
        data={"fault": known, "style": _STYLE},
        default={"fault": known},
        height="content",
        on_fault_change=lambda: None,
    )
    return str(found.fault or "")
