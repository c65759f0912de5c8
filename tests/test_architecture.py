"""The shape of the package, read from its source: imports go down only, and dangerous calls have one home."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import chain, combinations
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "watcher"
# Folders that keep the listing short; their modules are called by their own names here.
GROUPS = {"configuration", "formats", "housekeeping", "net", "notify", "state"}


def short(dotted: str) -> str:
    """Return the name of a module as it is used here: `rows` for `formats.rows`, `web.app` as it is."""
    group, _, name = dotted.partition(".")
    return name if group in GROUPS and name not in ("", "__init__") else dotted


PATHS = {
    short(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")): path
    for path in PACKAGE.rglob("*.py")
}
MODULES = sorted(PATHS)

BASE = {"errors", "jwt", "names", "model", "records", "units"}
CORE = {
    "settle", "route", "preflight", "split", "upload", "retry", "faults", "order",
    "compressed", "encoding", "dialect", "columns", "rows", "content", "csv_text", "json_text", "json_schema",
    "expect", "notices",
    "receipt",
}  # fmt: skip
EDGES = {
    "disk", "scratch", "detect", "claim", "outcome", "database", "journal", "lock", "answers", "auth",
    "client", "strict_yaml", "setting_types", "settings", "presets", "config", "log", "log_lines", "schema",
    "notify_settings", "sender", "status_settings", "systemd", "timeline", "archive",
    "housekeeping_settings",
}  # fmt: skip
WIRING = {
    "desk",
    "bulletin",
    "holds",
    "live",
    "lookout",
    "deliver",
    "pipeline",
    "agent",
    "assemble",
    "wake",
    "crew",
    "recovery",
    "days",
    "duplicates",
    "retention",
    "reload",
    "hooks",
    "diary",
    "vitals",
}
# What the preflight is made of, each of what stands behind it; and two pairs.
PREFLIGHT = ["preflight", "csv_text", "json_text", "json_schema", "rows", "columns", "content", "compressed",
             "split", "dialect", "encoding"]  # fmt: skip
CORE_TO_CORE = {("notices", "expect"), ("upload", "faults"), ("order", "settle"), *combinations(PREFLIGHT, 2)}
NOT_IN_CORE = {
    "time",
    "os",
    "logging",
    "sqlite3",
    "httpx",
    "yaml",
    "loguru",
    "random",
    "threading",
    "pathlib",
}
# base handles names and stat results, but asks the system for nothing.
OS_IN_BASE = {"names": {"fsencode", "path"}, "model": {"stat_result"}}

HOMES = {
    "watchdog": {"detect"},
    "apprise": {"sender"},
    "httpx": {"answers", "auth", "client"},
    "pydantic": {
        "setting_types",
        "notify_settings",
        "status_settings",
        "settings",
        "housekeeping_settings",
        "config",
    },
    "pydantic_core": {"config"},
    "yaml": {"strict_yaml"},
    "loguru": {"log", "log_lines"},
    "sqlite3": {"database"},
    "starlette": {"web.access", "web.app"},
    "uvicorn": {"web.server"},
    "prometheus_client": {"web.metrics"},
}
CHANGES_DISK = {
    "os.rename", "os.replace", "os.link", "os.unlink", "os.remove", "os.mkdir", "os.makedirs", "os.rmdir",
    "os.symlink", "os.utime", "os.chmod", "os.truncate", "os.ftruncate", "os.mkfifo",
}  # fmt: skip
CHANGES_PATH = {
    "unlink", "rename", "mkdir", "rmdir", "touch", "write_text", "write_bytes", "chmod",
    "symlink_to", "hardlink_to",
}  # fmt: skip
MAY_CHANGE_DISK = {
    "disk",
    "lock",
    "database",
    "commands.demo",
}  # and the sandbox, which is no part of the agent


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text(encoding="utf-8"))


def layer(module: str) -> int:
    """Base is 0, the command line 4."""
    for height, members in enumerate((BASE, CORE, EDGES, WIRING)):
        if module in members:
            return height
    return 4


@cache
def imports(module: str) -> frozenset[str]:
    """Everything that a module imports, wherever in it: `json`, `httpx`, `watcher.disk`."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written out in full"
            packages = {"watcher", *(f"watcher.{group}" for group in GROUPS)}
            named = {f"{node.module}.{alias.name}" for alias in node.names if node.module in packages}
            found |= named or {str(node.module)}
    return frozenset(found)


def ours(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    inside = {short(name.removeprefix("watcher.")) for name in imports(module) if name.startswith("watcher.")}
    return inside & set(MODULES)


def others(module: str) -> set[str]:
    """The packages that a module imports from elsewhere."""
    return {name.split(".")[0] for name in imports(module)} - {"watcher"}


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a module, with its dotted name as far as it has one: `os.rename`, `path.unlink`."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def changes_disk(name: str, call: ast.Call) -> bool:
    """Say whether a call changes files or folders, as far as its text tells."""
    owner, _, method = name.rpartition(".")
    if name in CHANGES_DISK or owner == "shutil":
        return True
    if owner == "os" and method == "open":
        return bool(
            {"O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC"} & set(ast.unparse(call).replace(".", " ").split())
        )
    if method == "open":  # open(path, "w") and path.open("w")
        texts = [
            arg.value
            for arg in chain(call.args, (word.value for word in call.keywords))
            if isinstance(arg, ast.Constant)
        ]
        return any(
            isinstance(text, str) and set(text) & set("wax+") and set(text) <= set("rwaxbt+")
            for text in texts
        )
    # disk.xxx are our own; str.replace has two arguments, Path.replace one.
    if owner in ("", "disk", "os"):
        return False
    return method in CHANGES_PATH or (method == "replace" and len(call.args) == 1 and not call.keywords)


def test_every_module_has_its_layer() -> None:
    known = BASE | CORE | EDGES | WIRING
    top = {
        name
        for name in MODULES
        if name.split(".")[0] in ("commands", "sandbox", "web", "cli", "__init__", "__main__")
        or name in {f"{group}.__init__" for group in GROUPS}
    }

    assert set(MODULES) == known | top


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    higher = {other for other in ours(module) if layer(other) > layer(module)}

    assert higher == set()


@pytest.mark.parametrize("module", sorted(BASE | CORE))
def test_base_and_core_import_nothing_of_their_own_height_but_what_is_listed(module: str) -> None:
    beside = {(module, other) for other in ours(module) if layer(other) == layer(module) != 0}

    assert beside <= CORE_TO_CORE


@pytest.mark.parametrize("module", sorted(BASE | CORE))
def test_base_and_core_know_no_clock_no_disk_no_network_and_no_log(module: str) -> None:
    allowed = {"os"} if module in OS_IN_BASE else set()

    assert others(module) & NOT_IN_CORE <= allowed
    assert all(
        name != "open" and not name.endswith((".now", ".today", ".utcnow")) for name, _ in calls(module)
    )


@pytest.mark.parametrize("module", OS_IN_BASE)
def test_what_base_takes_from_os_asks_the_system_for_nothing(module: str) -> None:
    taken = {
        node.attr
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }

    assert taken <= OS_IN_BASE[module]


@pytest.mark.parametrize("package", HOMES)
def test_a_package_from_elsewhere_has_its_home(package: str) -> None:
    assert {module for module in MODULES if package in others(module)} == HOMES[package]


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_the_command_lines_packages_stay_at_the_top_and_in_two_modules(package: str) -> None:
    users = {module for module in MODULES if package in others(module)}

    assert len(users) <= 2
    assert all(layer(module) == 4 for module in users)


def test_the_sandbox_needs_nothing_but_the_standard_library_and_itself() -> None:
    for module in MODULES:
        if module.startswith("sandbox"):
            assert not others(module) & {"typer", "rich", *HOMES}, module
            assert all(other.startswith("sandbox") for other in ours(module)), module


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("sandbox")])
def test_only_disk_changes_the_file_system(module: str) -> None:
    found = {f"line {call.lineno}: {name}" for name, call in calls(module) if changes_disk(name, call)}

    if module not in MAY_CHANGE_DISK:
        assert found == set()
    elif module == "disk":
        assert {name.split(": ")[1] for name in found} >= {
            "os.rename",
            "os.replace",
            "os.link",
            "path.unlink",
            "os.open",
        }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("os.rename(a, b)", True),
        ("path.unlink(missing_ok=True)", True),
        ("path.replace(other)", True),
        ("text.replace('a', 'b')", False),
        ("path.open('wb')", True),
        ("open(path, mode='a')", True),
        ("path.open('rb')", False),
        ("open(path)", False),
        ("path.with_name('x').write_text('y')", True),
        ("os.open(path, os.O_RDWR | os.O_CREAT, 0o600)", True),
        ("os.open(path, os.O_RDONLY)", False),
        ("shutil.move(a, b)", True),
        ("disk.rename_in(a, b)", False),
    ],
)
def test_the_guard_knows_a_call_that_changes_the_file_system(text: str, expected: bool) -> None:
    [call] = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.col_offset == 0
    ][:1]

    assert changes_disk(ast.unparse(call.func), call) is expected


@pytest.mark.parametrize("module", MODULES)
def test_nothing_sleeps(module: str) -> None:
    """Every wait must end early on stop."""
    assert "time.sleep" not in {name for name, _call in calls(module)}
    assert not [
        node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.module == "time"
    ]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_swallows_every_exception(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            wide = ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(part, ast.Pass | ast.Continue) for part in node.body)
            assert not (wide and silent), f"line {node.lineno}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            assert not {"Exception", "BaseException"} & {ast.unparse(arg) for arg in node.args}, node.lineno


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_over_300_lines(module: str) -> None:
    text = PATHS[module].read_text(encoding="utf-8")

    assert text.count("\n") <= 300
