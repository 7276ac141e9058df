"""Deliver a file exactly once into a directory that somebody else empties, across kill -9 at any instant.

The receiver may take the file away at once, so its presence in the target proves nothing. The rename itself is the
commit:

1. the bytes are written into the staging directory under a name of this answer alone, and synced;
2. the journal notes the answer as *started* (commit);
3. rename from staging to target (atomic: the file leaves one and appears in the other at once), directories synced;
4. the journal forgets the answer (commit).

After a crash, an answer that is not started was never visible: it begins again at 1, over a staged file that may be
partial. A started one whose file is still staged was not delivered: the rename is done. A started one whose file is
no longer staged was delivered, wherever the receiver has put it since: nothing is sent, only step 4 is done.
Staging and target must be on one file system, and nothing else may empty the staging directory.
"""

import os
from pathlib import Path

from tdt.simulators.journal import Due, Journal, sync_directory


def deliver(journal: Journal, due: Due, staging: Path, target: Path) -> None:
    """Deliver the content of this answer as `target` (syncs the disk: call it from a thread)."""
    staged = staging / f"{due.id}.{target.name}"
    if not due.started:
        content = journal.due_content(due.id)
        if content is None:
            return
        _write(staged, content)
        journal.start(due.id)
    try:
        staged.rename(target)
    except FileNotFoundError:
        if not due.started or not target.parent.is_dir():  # the target is missing, not the staged file
            raise
    else:
        sync_directory(target.parent)
        sync_directory(staging)
    journal.complete(due.id)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
    sync_directory(path.parent)
