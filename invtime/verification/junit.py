"""Write a report as JUnit XML, which Jenkins, GitLab, GitHub Actions and others read.

Source: the format has no standard. This module uses the elements that are common to
https://github.com/testmoapp/junitxml and Jenkins's junit-10.xsd.
"""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

from invtime.verification.report import Report, Run

# Characters that XML 1.0 cannot contain, such as the escape codes in a framework's message.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: Report) -> str:
    """Return the report as JUnit XML for CI systems, with a case for each run.

    A mismatch is a failure. A run that ended early is an error. A run whose dtype the backend
    does not support is skipped, and so is each missing backend, which also has a case.
    """
    suite = ET.Element("testsuite", name="invtime verify")
    properties = ET.SubElement(suite, "properties")
    for name, text in (
        ("schedule", json.dumps(report.schedule.get_config())),
        ("steps", str(report.steps)),
    ):
        ET.SubElement(properties, "property", name=name, value=text)
    for run in report.runs:
        case = ET.SubElement(suite, "testcase", classname=f"invtime.{run.backend}", name=_name(run))
        _verdict(case, run)
        ET.SubElement(case, "system-out").text = _clean(
            f"{run.backend} {run.version}: {run.points} of {run.asked} points, "
            f"{run.mismatches} mismatches, worst {run.worst_ulp} ULP\n{run.note}".rstrip()
        )
    for missing in report.missing:
        case = ET.SubElement(
            suite, "testcase", classname=f"invtime.{missing.backend}", name="missing"
        )
        reason = f"{missing.reason}; run: {missing.install}".removesuffix("; run: ")
        ET.SubElement(case, "skipped", message=_clean(reason))
    if not any(run.points for run in report.runs):
        case = ET.SubElement(suite, "testcase", classname="invtime", name="anything")
        ET.SubElement(case, "error", message="nothing was compared", type="error")
    counts = {
        name: str(len(suite.findall(path)))
        for name, path in (
            ("tests", "testcase"),
            ("failures", "testcase/failure"),
            ("errors", "testcase/error"),
            ("skipped", "testcase/skipped"),
        )
    }
    suite.attrib.update(counts)
    root = ET.Element("testsuites", {"name": "invtime", **counts})
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, "unicode")}\n'


def _name(run: Run) -> str:
    return f"{run.mode} {run.device} {run.dtype}"


def _verdict(case: ET.Element, run: Run) -> None:
    first = None if run.first is None else f"first at {run.first}"
    if run.error is not None:
        ET.SubElement(case, "error", message=_clean(run.error), type="error").text = first
    elif run.mismatches:
        message = f"{run.mismatches} of {run.points} points differ, by up to {run.worst_ulp} ULP"
        ET.SubElement(case, "failure", message=message, type="mismatch").text = first
    elif not run.points:
        ET.SubElement(case, "skipped", message=_clean(run.note))


def _clean(text: str) -> str:
    return FORBIDDEN.sub("?", text)
