#!/usr/bin/env python3
"""Reads ctest's JUnit file: a line per skipped test with its reason, then the closing line. Exit 1 when any failed."""
import re
import sys
import xml.etree.ElementTree as ElementTree

root = ElementTree.parse(sys.argv[1]).getroot()
passed = failed = 0
skipped = []
for case in root.iter("testcase"):
    state = case.get("status")
    output = case.findtext("system-out") or ""
    if state == "run":
        passed += 1
    elif state in ("notrun", "disabled") and case.find("skipped") is not None:
        reason = re.findall(r"^SKIP:? *(.*)$", output, re.M)
        skipped.append((case.get("name"), reason[-1] if reason else "no reason was printed"))
    else:
        failed += 1
        print(f"FAILED {case.get('name')}")
for name, reason in skipped:
    print(f"SKIPPED {name}: {reason}")
print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
sys.exit(1 if failed or passed == 0 else 0)
