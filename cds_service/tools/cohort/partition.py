"""A Bulk Data export as partitions of whole patients, out of core.

One pass over the NDJSON files: each line goes, as it is, to the partition of its patient (by a hash of the id, so that
no order of the files matters). No line is parsed whole, and what waits in memory is bounded.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.errors import CdsError
from cds_service.tools.replay.bundles import Resource, id_in

MANIFEST: Final = "manifest.json"
SHARED: Final = "medications.ndjson"  # drugs that orders of any patient refer to
_PARTITION_BYTES: Final = 24 * 1024 * 1024  # a patient's resources take some times that in memory
_MOST: Final = 4096
_WAITING: Final = 64 * 1024 * 1024
_MOST_PROBLEMS: Final = 1000


class _Reference(msgspec.Struct):
    reference: Any = None


class _Head(msgspec.Struct, rename="camel"):
    """What of a resource says where it belongs; everything else is skipped."""

    resource_type: str
    id: Any = None
    subject: _Reference | list[_Reference] | None = None
    patient: _Reference | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was partitioned: the files with their sizes, how many partitions, lines and resources of patients there
    are, how many resources name no patient (by type), and what could not be read (`file:line: why`)."""

    files: dict[str, int]
    partitions: int
    resources: int
    unowned: dict[str, int]
    problems: tuple[str, ...]
    more_problems: int


def exported(folder: Path) -> tuple[Path, ...]:
    """The NDJSON files of an export, sorted. Raises CdsError."""
    found = tuple(sorted(path for path in folder.rglob("*.ndjson") if path.is_file()))
    if not found:
        raise CdsError(f"{folder}: expected a folder of *.ndjson files (FHIR Bulk Data), found none")
    return found


def partition(folder: Path, out: Path, progress: Callable[[int, int], None], partitions: int = 0) -> Manifest:
    """Partition `folder` into `out`; what lies there of the same files is taken as it is. `progress` hears bytes done
    and bytes in all. Raises CdsError."""
    files = exported(folder)
    sizes = {str(path): path.stat().st_size for path in files}
    done = read_manifest(out)
    if done is not None and done.files == sizes and partitions in (0, done.partitions):
        return done
    count = partitions or min(_MOST, max(1, -(-sum(sizes.values()) // _PARTITION_BYTES)))
    new = out.with_name(f"{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    manifest = _spread(files, sizes, count, new, progress)
    (new / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1))
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    return manifest


def read_manifest(out: Path) -> Manifest | None:
    """The manifest of finished partitions; None where there are none."""
    try:
        return msgspec.json.decode((out / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def name_of(number: int) -> str:
    """The file of a partition."""
    return f"{number:04d}.ndjson"


def _spread(
    files: Iterable[Path], sizes: dict[str, int], count: int, new: Path, progress: Callable[[int, int], None]
) -> Manifest:
    waiting: dict[str, list[bytes]] = defaultdict(list)
    held = resources = done = lost = 0
    unowned: Counter[str] = Counter()
    problems: list[str] = []
    total = sum(sizes.values())
    for number in range(count):
        (new / name_of(number)).touch()
    for path in files:
        for line_number, line in _lines(path):
            done += len(line)
            try:
                head = _HEAD.decode(line)
            except msgspec.MsgspecError as error:
                lost += 1
                if len(problems) < _MOST_PROBLEMS:
                    problems.append(f"{path}:{line_number}: not a FHIR resource: {str(error)[:120]}")
                continue
            owner = _owner(head)
            if owner:
                resources += 1
                name = name_of(place_of(owner, count))
            elif head.resource_type == "Medication":
                name = SHARED
            else:
                unowned[head.resource_type[:64]] += 1
                continue
            waiting[name].append(line)
            held += len(line)
            if held > _WAITING:
                _write(waiting, new)
                held = 0
                progress(done, total)
    _write(waiting, new)
    progress(total, total)
    return Manifest(sizes, count, resources, dict(sorted(unowned.items())), tuple(problems), lost - len(problems))


def place_of(patient: str, count: int) -> int:
    """The partition of a patient."""
    return int.from_bytes(hashlib.blake2b(patient.encode(errors="surrogatepass"), digest_size=8).digest()) % count


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line that holds something, with its end."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                yield number, text if text.endswith(b"\n") else text + b"\n"


def _owner(head: _Head) -> str:
    """The id of the patient whom a resource is about; "" where it names none."""
    if head.resource_type == "Patient":
        return head.id if isinstance(head.id, str) else ""
    targets = (named.reference for named in (head.subject, head.patient) if isinstance(named, _Reference))
    return next((identity for target in targets if (identity := id_in(target, "Patient")) is not None), "")


def _write(waiting: dict[str, list[bytes]], new: Path) -> None:
    for name, lines in waiting.items():
        with (new / name).open("ab") as file:
            file.writelines(lines)
    waiting.clear()


# ---------------------------------------------------------------- reading one partition


def patients(parts: Path, number: int) -> Iterator[tuple[str, list[Resource]]]:
    """(id, resources) of each patient of a partition, by id; the drugs that their orders refer to are among them."""
    by_patient: dict[str, list[bytes]] = defaultdict(list)
    for _, line in _lines(parts / name_of(number)):
        by_patient[_owner(_HEAD.decode(line))].append(line)
    wanted = _referred(line for lines in by_patient.values() for line in lines)
    drugs = _drugs(parts, wanted) if wanted else {}
    for patient in sorted(by_patient):
        own = [msgspec.json.decode(line) for line in by_patient.pop(patient)]
        named = {_medication(resource) for resource in own} & drugs.keys()
        yield patient, [*own, *(drugs[name] for name in sorted(named))]


def _referred(lines: Iterable[bytes]) -> set[str]:
    return {_medication(msgspec.json.decode(line)) for line in lines if b'"medicationReference"' in line} - {""}


def _medication(resource: Resource) -> str:
    """The id of the Medication that a resource refers to."""
    reference = resource.get("medicationReference")
    target = reference.get("reference") if isinstance(reference, dict) else None
    return id_in(target, "Medication") or ""


def _drugs(parts: Path, wanted: set[str]) -> dict[str, Resource]:
    path = parts / SHARED
    if not path.is_file():
        return {}
    heads = ((line, _HEAD.decode(line).id) for _, line in _lines(path))
    return {identity: msgspec.json.decode(line) for line, identity in heads if identity in wanted}
