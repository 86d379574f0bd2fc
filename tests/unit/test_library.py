"""The library: its public names, that they cost nothing until used, and that the examples of its page run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.recordings import corpus

import ticktrail

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_every_public_name_is_there() -> None:
    """``__all__`` is what can be imported, documented on the library's page or needed by what is."""
    assert len(set(ticktrail.__all__)) == len(ticktrail.__all__)
    for name in ticktrail.__all__:
        assert getattr(ticktrail, name) is not None
    assert set(ticktrail.__all__) <= set(dir(ticktrail))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = ticktrail.nothing_like_it


def test_importing_the_package_loads_nothing_of_it() -> None:
    """Names load when they are first used."""
    code = "import sys, ticktrail; print(sorted(name for name in sys.modules if name.startswith('ticktrail.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each in its turn, on a recorded execution."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "execution.json").write_bytes(corpus()[5])
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) >= 7
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    assert "1 new messages, 1 new statuses" in capsys.readouterr().out
