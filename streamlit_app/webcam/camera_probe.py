"""Asks the browser what stands in the way of its camera, which the server cannot know."""

from __future__ import annotations

from enum import StrEnum

import streamlit as st


class CameraFault(StrEnum):
    """Why there is no camera."""

    INSECURE = "insecure"
    """Browsers hand out the camera on HTTPS and localhost only."""

    REFUSED = "refused"
    """The visitor, or whoever manages the browser, does not allow it."""

    ABSENT = "absent"
    """There is none, or another program keeps it."""


_SCRIPT = """
const nameFrame = () => {  // for screen readers, which say the name of the component otherwise
  for (const frame of document.querySelectorAll('iframe[title*="webrtc_streamer"]')) {
    frame.title = "Camera";
  }
};
export default function ({ data, parentElement, setStateValue }) {
  nameFrame();
  setTimeout(nameFrame, 1500);
  if (parentElement.emoscopeLook) {
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
      permission.onchange = look;
      if (permission.state === "denied") return "refused";
    } catch {}  // some browsers do not tell
    const all = await devices.enumerateDevices();
    return all.some((device) => device.kind === "videoinput") ? "" : "absent";
  };
  const look = async () => {
    const fault = await find();
    if (fault !== parentElement.emoscopeKnown) {
      parentElement.emoscopeKnown = fault;
      setStateValue("fault", fault);
    }
  };
  parentElement.emoscopeLook = look;
  devices?.addEventListener("devicechange", look);
  look();
  return () => {
    devices?.removeEventListener("devicechange", look);
    if (permission) permission.onchange = null;
    parentElement.emoscopeLook = null;
  };
}
"""


def camera_fault(known: str) -> str:
    """Ask the browser; it tells again when a camera is plugged in or a permission changes.

    Args:
        known: What it said before.

    Returns:
        A ``CameraFault``, or an empty string where nothing is wrong that it knows of.
    """
    probe = st.components.v2.component("camera_probe", js=_SCRIPT)
    found = probe(
        key="camera probe",
        data={"fault": known},
        default={"fault": known},
        height="content",
        on_fault_change=lambda: None,
    )
    return str(found.fault or "")
