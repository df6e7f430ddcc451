"""What `npm pack` puts into the package of the TypeScript client, and what is pinned."""

import json
import re
import subprocess

from tests.clients.conftest import NODE, PACKAGE

NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
MODULES = ("client", "index", "live", "problems", "schema", "session", "transport")


def test_the_package_has_the_compiled_client_and_nothing_else():
    packed = subprocess.run(
        [NODE, NPM, "pack", "--dry-run", "--json"],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=True,
    )
    [package] = json.loads(packed.stdout)
    assert sorted(file["path"] for file in package["files"]) == sorted(
        ["LICENSE", "README.md", "package.json"]
        + [f"dist/src/{name}{suffix}" for name in MODULES for suffix in (".js", ".d.ts")]
    )


def test_the_package_cannot_be_published():
    assert json.loads((PACKAGE / "package.json").read_text())["private"] is True


def test_dependencies_are_pinned_exactly_and_the_lock_names_no_registry():
    manifest = json.loads((PACKAGE / "package.json").read_text())
    versions = [*manifest["dependencies"].values(), *manifest["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert all("integrity" in package and "resolved" not in package for package in packages)
