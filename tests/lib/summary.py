#!/usr/bin/env python3
"""Reads ctest's JUnit file: a line per skipped test with its reason, the sums of what tests counted ("COUNTED NUMBER WHAT"),
then the closing line. Exit 1 when any failed."""
import re
import sys
import xml.etree.ElementTree as ElementTree

root = ElementTree.parse(sys.argv[1]).getroot()
passed = failed = 0
skipped, counted = [], {}
for case in root.iter("testcase"):
    state = case.get("status")
    output = case.findtext("system-out") or ""
    for number, what in re.findall(r"^COUNTED (\d+) (.*)$", output, re.M):
        counted[what] = counted.get(what, 0) + int(number)
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
for what, number in sorted(counted.items()):
    print(f"COUNTED {number:,} {what}")
print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
sys.exit(1 if failed or passed == 0 else 0)
