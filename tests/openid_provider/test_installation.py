"""How the provider of the tests is installed."""

import json

from tests.openid_provider.real import HERE


def test_r109_lock_file_pins_everything_by_hash_and_names_no_address() -> None:
    text = (HERE / "package-lock.json").read_text("utf-8")
    packages = json.loads(text)["packages"]
    assert len(packages) > 20
    assert all("integrity" in entry for name, entry in packages.items() if name)
    assert '"resolved"' not in text


def test_r109_package_and_lock_file_name_one_version() -> None:
    asked = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    assert locked[""]["dependencies"] == asked
    assert all(locked[f"node_modules/{name}"]["version"] == asked[name] for name in asked)
