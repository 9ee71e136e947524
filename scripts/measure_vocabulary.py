"""How well the words of the infection value sets recognise the titles of ICD-10-CM, without their codes.

For authors of vocabulary only; nothing that is served imports it. It needs the package `simple-icd-10-cm` (the tree of
ICD-10-CM and its titles) in an environment of the author's own, beside what the service needs:

    python scripts/measure_vocabulary.py            # the shares
    python scripts/measure_vocabulary.py --missed   # and every title that was missed, or found without being listed

A title is right where its code stands in the trees of the infection sets and its words are found in one of them (for
`severe-infection`: in any set that blocks), and where its code stands in none of them and its words are not.
Exit 0: at least 97 % of the listed titles are found and below 0.5 % of the others; 1: not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import simple_icd_10_cm as icd  # type: ignore[import-not-found]

from cds_service.chart.recognition import Recogniser, Written
from cds_service.knowledge.loader import read_all

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = "http://hl7.org/fhir/sid/icd-10-cm"
# The sets in the order in which they weigh; what the first hold must be found in a set that blocks.
BLOCKING = ("severe-infection", "tuberculosis", "covid-19", "infection-review")
SETS = (*BLOCKING, "infection-unclear")
# Titles that name an infection although the policy lists no such code: recognising them is right, and so is not to.
ALSO = (
    "E32.1",
    "G04",
    "H00",
    "H05",
    "H10",
    "H16",
    "H20",
    "H44",
    "H59.4",
    "H60",
    "H61",
    "H62",
    "H70",
    "H75",
    "H94",
    "I26",
    "I39",
    "I89",
    "J34.0",
    "J36",
    "J39",
    "J44.0",
    "J47.0",
    "J65",
    "J95.0",
    "K04",
    "K11",
    "K50",
    "K51",
    "K63.0",
    "K67",
    "K68",
    "K81",
    "K82",
    "K85",
    "K94",
    "K95",
    "L30.3",
    "M46",
    "M60.0",
    "M63",
    "M65",
    "M71",
    "M73",
    "M90",
    "N28",
    "N29",
    "N34",
    "N43",
    "N46",
    "N48",
    "N49",
    "N61",
    "N98",
    "N99.5",
    "O03",
    "O04",
    "O07",
    "O08",
    "O23",
    "O29",
    "O41",
    "O74",
    "O75.3",
    "O88",
    "O89",
    "O91",
    "P02",
    "P23",
    "P35",
    "P37",
    "P38",
    "P39",
    "P58.2",
    "P78",
    "T80",
    "T81",
    "T82.6",
    "T83",
    "T84.6",
    "T84.7",
    "T85",
    "T86",
    "T87.4",
    "T88.0",
)
LEAST_FOUND, MOST_FALSE = 0.97, 0.005


def write(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")


def recogniser() -> Recogniser:
    """The shipped value sets, languages and code systems."""
    loaded = read_all(ROOT, "us")
    if loaded.problems:
        sys.exit("\n".join(str(problem) for problem in loaded.problems))
    table = loaded.table("rules/terms")
    return Recogniser(
        table, loaded.singles["rules/code-systems.yaml"], loaded.singles["rules/languages.yaml"], ["Latin"]
    )


def titles() -> Iterator[tuple[str, str]]:
    """Every code that is used for patients, with its title."""
    for code in icd.get_all_codes(with_dots=True):
        if icd.is_leaf(code) and not (icd.is_chapter(code) or icd.is_block(code)):
            yield code, icd.get_description(code)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--missed", action="store_true", help="print every title that was not right")
    args = options.parse_args()
    known = recogniser()
    listed: dict[str, list[int]] = {name: [0, 0] for name in (*SETS, "either way", "in none")}
    for code, title in titles():
        unlisted = "either way" if code.startswith(ALSO) else "in none"
        home = next((name for name in SETS if known.has(name, SYSTEM, code)), unlisted)
        read = known.recognise(Written((), title)).meanings
        found = [name for name in SETS if name in read and read[name].sense in ("said", "doubted")]
        wanted = BLOCKING if home == "severe-infection" else SETS
        hit = any(name in wanted for name in found)
        listed[home][0] += hit
        listed[home][1] += 1
        if args.missed and hit == (home == "in none"):
            write(f"{home:18s} {code:9s} {title}  {','.join(found)}")
    for name, (hit, total) in listed.items():
        write(f"{name:18s} {hit:6d} of {total:6d} titles recognised: {hit / total:8.2%}" if total else name)
    found, total = (sum(listed[name][i] for name in SETS) for i in (0, 1))
    false, others = listed["in none"]
    write(f"listed {found / total:.2%}, others {false / others:.3%}")
    return 0 if found >= LEAST_FOUND * total and false < MOST_FALSE * others else 1


if __name__ == "__main__":
    sys.exit(main())
