"""Optional packages: there, missing, and there without something that they need."""

import sys

import pytest

from gridcode.errors import InputError
from gridcode.extras import needed


def test_a_package_or_one_line_that_says_how_to_get_it(tmp_path, monkeypatch):
    assert needed("json.decoder", "none", "nothing").JSONDecoder
    with pytest.raises(InputError, match=r"^it needs nowhere_1: pip install 'gridcode\[rats\]'$"):
        needed("nowhere_1.inner", "rats", "it")
    monkeypatch.setitem(sys.modules, "json", None)
    with pytest.raises(InputError, match=r"needs json: pip"):
        needed("json", "rats", "it")
    (tmp_path / "broken_1.py").write_text("import nowhere_1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_1"):
        needed("broken_1", "rats", "it")
