"""What console.py measured, as tables; each figure with its goal, of console.md's rows."""
import statistics

from bench import median, table

SIZES = ((140, 40, 1500), (80, 24, 800))
PROGRAMS = ("console", "btop", "htop")


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def ms(values):
    return f"{percentile(values, 0.5) * 1e3:.1f} / {percentile(values, 0.99) * 1e3:.1f}"


def goal(value, limit, text):
    return f"{text} (goal {limit}: {'met' if value <= limit else 'NOT met'})"


def none(value, text):
    return f"{text} (goal 0: {'met' if value == 0 else 'NOT met'})"


def peers(taken):
    rows = []
    for cols, height, bytes_most in SIZES:
        for name in PROGRAMS:
            if (name, cols) not in taken:
                continue
            runs = taken[(name, cols)]

            def of(what, runs=runs):
                return median([run[what] for run in runs])

            def cell(value, limit, text, name=name):
                return goal(value, limit, text) if name == "console" else text
            cpu, frame, ratio, worst = of("cpu"), of("frame"), of("bytes") / max(1, of("least")), of("worst") / 1000
            rows.append([f"{cols}x{height}", name, cell(cpu, 1.0, f"{cpu:.2f} %"), f"{of('frames_s'):.1f}", cell(frame, bytes_most, f"{frame:.0f}"),
                         cell(ratio, 1.2, f"{ratio:.2f}"), f"{of('bytes_s') / 1000:.1f}", cell(worst, 20, f"{worst:.1f}"), f"{of('rss'):.0f}"])
    text = table(["screen", "program", "CPU of a core", "frames/s", "bytes a frame, median", "bytes of the least that would do", "KB/s",
                  "worst second, KB", "RSS MiB"], rows)
    return text + (f"\n\nLeft out: {taken['missing']}." if "missing" in taken else "")


def idle(taken):
    rows = []
    for name in ("nothing moves", "unfocused"):
        got = taken[name]
        rows.append([name, goal(got["cpu"], 0.1, f"{got['cpu']:.3f} %"), f"{got['frames_s']:.1f}",
                     goal(got["bytes_s"], 40, f"{got['bytes_s']:.0f}") if name == "nothing moves" else f"{got['bytes_s']:.0f}"])
    return table(["the console at 140x40", "CPU of a core", "frames/s", "bytes/s"], rows)


def start(taken):
    rows = []
    for name, title in (("floor", "floor: a shell that writes one escape"), ("console", "console"),
                        ("console, no server", "console, no server"), ("btop", "btop"), ("htop", "htop")):
        if ("first", name) not in taken:
            continue
        first = taken[("first", name)]
        mid = percentile(first, 0.5) * 1e3
        rows.append([title, goal(mid, 30, ms(first)) if name.startswith("console") else ms(first),
                     goal(percentile(taken["data"], 0.5) * 1e3, 150, ms(taken["data"])) if name == "console" else "-"])
    return table([f"from the start, ms p50 / p99 of {len(taken['data'])}", "first bytes", "first data"], rows)


def loss(taken):
    rows = []
    for how, title in (("KILL", "kill -9"), ("STOP", "kill -STOP")):
        stale, lost, back = (percentile(taken[(how, what)], 0.5) for what in ("stale", "lost", "back"))
        rows.append([title, goal(stale, 1.0, f"{stale:.2f}"), goal(lost, 1.0, f"{lost:.2f}"), goal(back, 1.0, f"{back:.2f}")])
    return table(["the server ends by", "STALE or DISCONNECTED after s", "DISCONNECTED after s", "live again after s"], rows)


def storm(taken):
    took = percentile(taken["storm"], 0.5) * 1e3
    return (f"200 sizes in 2 s, {len(taken['storm'])} times: the last one's picture after {goal(took, 100, f'{took:.0f} ms')}, "
            f"the slowest after {max(taken['storm']) * 1e3:.0f} ms.")


def exits(taken):
    rows = []
    for name in PROGRAMS:
        if ("exits", name) not in taken:
            continue
        faults = taken[("exits", name)]
        bad = "; ".join(f"{what}: {fault}" for what, fault in faults.items() if fault)
        good = sum(not fault for fault in faults.values())
        count = f"{good} of {len(faults)}"
        rows.append([name, none(len(faults) - good, count) if name == "console" else count, bad or "-"])
    return table(["program", "signals after which the terminal is as it was", "what is left otherwise"], rows)


def memory(taken):
    got = taken["memory"]
    return (f"200 hosts, 200 routes, a clock that runs faster: after {got['minutes']:.0f} minutes of frames "
            + goal(got["rss"], 32, f"{got['rss']:.1f} MiB") + " are resident.")


def load(taken):
    rows = []
    for name in ("1 M", "10 M"):
        got = taken[("load", name)]
        keys = "-"
        if "keys" in got:
            keys = goal(percentile(got["keys"], 0.99) * 1e3, 20, ms(got["keys"])) + f", floor {ms(got['floor'])}"
        lag = f"{got['lag_p50']:.1f} / {got['lag_p99']:.1f}"
        rows.append([f"{name} events/min", goal(got["cpu"], 3, f"{got['cpu']:.2f} %"), f"{got['control']:.0f} %", f"{got['frames_s']:.1f}",
                     f"{got['frame']:.0f}", f"{got['bytes'] / max(1, got['least']):.2f}", goal(got["lag_p99"], 0.2, lag) if name == "1 M" else lag, keys])
    text = table(["200 hosts, 200 routes, 140x40", "CPU of a core, in all", "control's CPU", "frames/s", "bytes a frame, median",
                  "of the least", "lag s p50 / p99", "key to screen ms p50 / p99"], rows)
    return "\n\n".join([text, footers(taken), ingest(taken), consoles(taken), throttled(taken)])


def footers(taken):
    got = taken[("load", "1 M")]
    values = got["resident"]
    return (f"Resident at 1 M events/min, at first and each minute then, MiB: {' '.join(f'{value:.1f}' for value in values)} "
            f"(goal 32: {'met' if max(values) <= 32 else 'NOT met'}). The footer at the end: `{got['footer'].strip()}`; with 10 M/min: "
            f"`{taken[('load', '10 M')]['footer'].strip()}`.")


def ingest(taken):
    got, lines = taken[("load", "1 M")], []
    for name in ("1 M", "10 M"):
        fleet = taken[("load", name)]["fleet"]
        text = f"{fleet['dropped']:.0f} of {fleet['reports']:.0f} reports with {fleet['events']:.0f} events dropped on the way to control"
        lines.append(f"{name}/min: " + (none(fleet["dropped"], text) if name == "1 M" else text))
    every = got["every"]
    lost = every["holes"] + every["sampled"] + every["dropped"]
    lines.append("a reader of every event: " + none(lost, f"{every['events']:.0f} in 8 s, {every['holes']:.0f} holes in their sequence, "
                                                    f"{every['sampled']:.0f} sampled, {every['dropped']:.0f} frames dropped"))
    lines.append("frames lost on the way to disk: " + none(got["lost"], f"{got['lost']:.0f}"))
    lines.append(f"cells at T equal those that were live at T: {got['equal']} of {got['seconds']} seconds (goal all: "
                 f"{'met' if got['equal'] == got['seconds'] > 0 else 'NOT met'})")
    return "\n".join(f"- {line}" for line in lines)


def consoles(taken):
    got = taken[("load", "1 M")]
    base = statistics.mean(one["cpu"] for one in got["nobody"])
    many = {key: statistics.mean(one[key] for one in got["consoles"]) for key in got["consoles"][0]}
    more = many["cpu"] - base
    rate = many["frame_bytes_s"] / 1000
    turns = [", ".join(f"{one['cpu']:.1f}" for one in got[name]) for name in ("nobody", "consoles")]
    return table(["consoles", "control's CPU", "of it, consoles'", "frames KB/s each", "events KB/s each", "frames dropped", "lag ms p50 / p99"],
                 [["0", f"{base:.1f} %", "-", "-", "-", "-", "-"],
                  ["100", f"{many['cpu']:.1f} %", goal(more, 5, f"{more:.1f} %"), goal(rate, 64, f"{rate:.1f}"),
                   f"{many['event_bytes_s'] / 1000:.1f}", f"{many['dropped']:.0f}",
                   f"{many['lag_p50_us'] / 1e3:.1f} / {many['lag_p99_us'] / 1e3:.1f}"]]) + (
                     f"\n\nMeans of turns of half a minute, nobody's first; control's CPU, %: {' and '.join(turns)}."
                     f"\n\nControl: {got['control_rss']:.0f} MiB resident, of it telemetry's "
                     + goal(got["telemetry"], 150, f"{got['telemetry']:.0f} MB") + ": its rows, events and frames.")


def throttled(taken):
    rows = [[f"{limit} B/s", f"{value['frames_s']:.1f}", f"{value['bytes_s'] / 1000:.1f}", f"{value['cpu']:.2f} %"]
            for limit in (16000, 2000) for value in [taken[("throttled", limit)]]]
    return table(["a reader at 300x100 that takes", "bursts/s", "KB/s", "CPU of a core"], rows)


def history(taken):
    bare, size, hours = taken["bare"], taken["disk"] / 1e6, taken["hours"]
    far, resident = percentile(taken["seek"], 0.5) * 1e3, taken["seek rss"]
    rows = [["a second that the console keeps (`[`)", ms(taken["near"]), "-"],
            [f"anywhere in {hours:g} h (`:at`)", goal(far, 100, ms(taken["seek"])),
             f"{bare['get_at_p50_us'] / 1e3:.1f} / {bare['get_at_p99_us'] / 1e3:.1f}, its floor (a bare unary call) "
             f"{bare['bare_p50_us'] / 1e3:.1f} / {bare['bare_p99_us'] / 1e3:.1f}"]]
    return (f"{hours:g} h of 200 hosts and 200 routes, all values moving: {goal(size, 150, f'{size:.0f} MB')} on disk, "
            f"{taken['day']['cpu_us_a_frame']:.0f} µs of CPU a frame.\n\n"
            + table(["seek, ms p50 / p99", "key to picture", "a bare GetAt"], rows)
            + f"\n\nResident after {len(taken['seek'])} far seeks: {goal(resident, 32, f'{resident:.1f} MiB')}.")


PARTS = (("Ten times a second, beside btop and htop at their fastest", "peers", peers), ("With nothing to do", "idle", idle),
         ("The start, cold processes", "start", start), ("A server that goes", "loss", loss), ("Sizes", "storm", storm),
         ("Exit", "exits", exits), ("Memory", "memory", memory), ("Under load", "load", load), ("The past", "history", history))


def report(taken):
    failed = taken.get("failed", {})
    return "\n\n".join(f"### {title}\n" + (f"NOT measured: {failed[name]}" if name in failed else make(taken))
                       for title, name, make in PARTS if name in taken["parts"])
