"""Makes the secrets of compose.yaml in a folder; what is there stays: no other key could read its records."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Three files. They are readable by all, since containers run as another user: the folder is not."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = folder / "database-password"
    keep(password, secrets.token_urlsafe(32))
    keep(folder / "CDS_DATABASE_URL", f"postgresql://cds:{password.read_text(encoding='ascii')}@database:5432/cds")
    keep(folder / "CDS_AUDIT_KEY", secrets.token_urlsafe(48))


def keep(file: Path, text: str) -> None:
    """Write it where there is none."""
    if not file.exists():
        file.write_text(text, encoding="ascii")
        file.chmod(0o444)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
