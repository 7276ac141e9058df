"""Files without a name: written, read from the start again, and gone."""

import os
from pathlib import Path

from tdt.documents.scratch import open_scratch
from tdt.documents.spool import READ_BYTES


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_what_is_written_is_read_and_no_name_stays(tmp_path: Path) -> None:
    data = os.urandom(READ_BYTES + 3)
    with open_scratch(tmp_path) as scratch:
        await scratch.write(data[:7])
        await scratch.write(data[7:])
        assert names(tmp_path) == []
        assert scratch.size == len(data)
        for _ in range(2):
            chunks = [chunk async for chunk in scratch.read()]
            assert [len(chunk) for chunk in chunks] == [READ_BYTES, 3]
            assert b"".join(chunks) == data
        descriptor = scratch.descriptor
    try:
        os.fstat(descriptor)
    except OSError:
        return
    raise AssertionError("the file is still open")
