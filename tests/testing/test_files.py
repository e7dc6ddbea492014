"""Files in an app under test."""

from __future__ import annotations

from pathlib import Path

import pytest
from relive.engine.errors import DocumentMissing, FunctionFailed

from relive.testing import TestApp

SOURCE = Path(__file__).parent.parent / "files" / "app"


def test_a_file_is_uploaded_shown_read_and_deleted() -> None:
    with TestApp(SOURCE) as app:
        id = app.store(b"abc", "text/plain")
        watch = app.watch("pictures:url", file=id)
        assert watch.latest.startswith("http://127.0.0.1:3210/api/storage/")
        assert app.stored(id) == b"abc"
        assert app.action("pictures:read", file=id) == "abc"
        assert app.mutation("pictures:upload_url").startswith("http://127.0.0.1:3210/api/storage/upload?token=")

        app.restart()
        assert app.action("pictures:read", file=id) == "abc"
        app.mutation("pictures:remove", file=id)
        assert (app.query("pictures:url", file=id), app.stored(id)) == (None, None)
        with pytest.raises(FunctionFailed, match=DocumentMissing.__name__):
            app.mutation("pictures:remove", file=id)


@pytest.mark.parametrize("path", ["store_parts", "store_parts_elsewhere"])
def test_actions_store_files_there_too(path: str) -> None:
    with TestApp(SOURCE) as app:
        id = app.action(f"pictures:{path}", text="ab", count=3)
        assert app.stored(id) == b"ababab"
        assert app.query("pictures:sizes") == [6]
