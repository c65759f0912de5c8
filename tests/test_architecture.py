"""The shape of the package, read from its source: imports go down only, and dangerous calls have one home."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "watcher"
PATHS = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path
         for path in PACKAGE.rglob("*.py")}  # fmt: skip
MODULES = sorted(PATHS)

# The layers are the folders, from the lowest to the highest; those on one line do not know each other.
LAYERS = [
    {"core"},
    {"content"},
    {"disk"},
    {"wfm"},
    {"journal"},
    {"report"},
    {"settings"},
    {"agent.engine"},
    {"agent.effects", "agent.queue", "agent.start"},
    {"agent.upkeep"},
    {"agent.by_hand"},
    {"agent"},
    {"sandbox", "web", "manual"},
    {"commands"},
    {"cli", "__init__"},
    {"__main__"},
]
HEIGHT = {folder: height for height, folders in enumerate(LAYERS) for folder in folders}
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
# The core handles names and stat results, but asks the system for nothing.
OS_IN_CORE = {"core.names": {"fsencode", "path"}, "core.model": {"stat_result"}}

HOMES = {
    "watchdog": {"disk.hints"},
    "apprise": {"report.sender"},
    "httpx": {"wfm.bounds", "wfm.login", "wfm.client", "wfm.transports", "wfm.words"},
    "httpcore": {"wfm.bounds"},
    "pydantic": {
        "settings.setting_types",
        "settings.notify_settings",
        "settings.status_settings",
        "settings.settings",
        "settings.housekeeping_settings",
        "settings.column_settings",
        "settings.fault_words",
        "settings.validation",
        "settings.secrets",
    },
    "pydantic_core": {"settings.fault_words"},
    "yaml": {"settings.strict_yaml"},
    "loguru": {"report.log", "report.log_lines"},
    "regex": {"core.expressions"},
    "sqlite3": {"journal.database"},
    "psycopg": {"journal.postgres_store", "journal.postgres_values"},
    "starlette": {"web.access", "web.app", "web.file_routes", "web.lingering"},
    "uvicorn": {"web.connection", "web.server"},
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
# And the sandbox, which is no part of the agent.
MAY_CHANGE_DISK = {
    "disk.files", "disk.faults", "disk.moving", "disk.ours", "disk.system", "journal.lock",
    "journal.database", "commands.demo", "commands.demo_web",
}  # fmt: skip


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text(encoding="utf-8"))


def folder(module: str) -> str:
    """The folder that a module is in, or its own name at the top."""
    return module.rpartition(".")[0] or module


@cache
def imports(module: str) -> frozenset[str]:
    """Everything that a module imports, wherever in it: `json`, `httpx`, `watcher.disk`."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written out in full"
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= named if str(node.module).split(".")[0] == "watcher" else {str(node.module)}
    return frozenset(found)


def ours(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    inside = {name.removeprefix("watcher.") for name in imports(module) if name.startswith("watcher")}
    return {name if name in MODULES else name.rpartition(".")[0] or "__init__" for name in inside}


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
    # files.xxx are our own; str.replace has two arguments, Path.replace one.
    if owner in ("", "files", "os"):
        return False
    return method in CHANGES_PATH or (method == "replace" and len(call.args) == 1 and not call.keywords)


def test_every_folder_is_a_layer() -> None:
    assert {folder(module) for module in MODULES} == set(HEIGHT)


def test_imports_go_down_only() -> None:
    upward = [
        f"{module} imports {other}"
        for module in MODULES
        for other in ours(module)
        if folder(other) not in (folder(module), "__init__")  # `__init__`: the version
        and HEIGHT[folder(other)] >= HEIGHT[folder(module)]
    ]

    assert upward == []


def reaches_out(module: str, forbidden: set[str]) -> list[str]:
    """What a pure module has that it must not: these packages, files of its own, the time of day."""
    found = [f"{module} imports {package}" for package in others(module) & forbidden]
    return found + [
        f"{module}:{call.lineno}: {name}"
        for name, call in calls(module)
        if name == "open" or name.endswith((".now", ".today", ".utcnow"))
    ]


def test_the_core_knows_no_clock_no_disk_no_network_and_no_log() -> None:
    core = [module for module in MODULES if folder(module) == "core"]
    allowed = {module: {"os"} if module in OS_IN_CORE else set() for module in core}

    assert core
    assert [found for module in core for found in reaches_out(module, NOT_IN_CORE - allowed[module])] == []


def test_the_content_is_read_from_what_is_open_and_knows_no_folder_and_no_clock() -> None:
    content = [module for module in MODULES if folder(module) == "content"]

    assert content
    assert [found for module in content for found in reaches_out(module, NOT_IN_CORE)] == []


@pytest.mark.parametrize("module", OS_IN_CORE)
def test_what_the_core_takes_from_os_asks_the_system_for_nothing(module: str) -> None:
    taken = {
        node.attr
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }

    assert taken <= OS_IN_CORE[module]


@pytest.mark.parametrize("package", HOMES)
def test_a_package_from_elsewhere_has_its_home(package: str) -> None:
    assert {module for module in MODULES if package in others(module)} == HOMES[package]


@pytest.mark.parametrize(("package", "most"), [("typer", 3), ("rich", 2)])
def test_the_command_lines_packages_stay_at_the_top_and_in_few_modules(package: str, most: int) -> None:
    users = {module for module in MODULES if package in others(module)}

    assert len(users) <= most
    assert {folder(module) for module in users} <= {"cli", "commands"}


def test_the_sandbox_needs_nothing_but_the_standard_library_and_itself() -> None:
    for module in MODULES:
        if folder(module) == "sandbox":
            assert not others(module) & {"typer", "rich", *HOMES}, module
            assert all(folder(other) == "sandbox" for other in ours(module)), module


def test_only_disk_changes_the_file_system() -> None:
    found = [
        (module, call.lineno, name)
        for module in MODULES
        if folder(module) != "sandbox"
        for name, call in calls(module)
        if changes_disk(name, call)
    ]

    assert [each for each in found if each[0] not in MAY_CHANGE_DISK] == []
    in_files = {name for module, _, name in found if module == "disk.files"}
    assert in_files >= {"os.rename", "os.replace", "path.unlink"}, "the guard sees what there is"


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
        ("files.rename_in(a, b)", False),
    ],
)
def test_the_guard_knows_a_call_that_changes_the_file_system(text: str, expected: bool) -> None:
    [call] = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.col_offset == 0
    ][:1]

    assert changes_disk(ast.unparse(call.func), call) is expected


def test_nothing_sleeps() -> None:
    """Every wait must end early on stop."""
    found = [
        f"{module}:{call.lineno}"
        for module in MODULES
        for name, call in calls(module)
        if name == "time.sleep"
    ]
    found += [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == "time"
    ]

    assert found == []


def swallows(node: ast.AST) -> bool:
    """Whether it lets every exception go by, unseen."""
    wide = {"Exception", "BaseException"}
    if isinstance(node, ast.ExceptHandler):
        silent = all(isinstance(part, ast.Pass | ast.Continue) for part in node.body)
        return node.type is None or (silent and ast.unparse(node.type) in wide)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return bool(wide & {ast.unparse(arg) for arg in node.args})
    return False


def test_nothing_swallows_every_exception() -> None:
    found = [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ExceptHandler | ast.Call) and swallows(node)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("try: f()\nexcept: g()", True),
        ("try: f()\nexcept Exception: pass", True),
        ("try: f()\nexcept Exception: raise", False),
        ("try: f()\nexcept OSError: pass", False),
        ("with contextlib.suppress(OSError, Exception): f()", True),
        ("with suppress(OSError): f()", False),
    ],
)
def test_the_guard_knows_what_swallows_every_exception(text: str, expected: bool) -> None:
    assert any(swallows(node) for node in ast.walk(ast.parse(text))) is expected


def test_no_module_is_over_300_lines() -> None:
    lines = {module: PATHS[module].read_text(encoding="utf-8").count("\n") for module in MODULES}

    assert {module: count for module, count in lines.items() if count > 300} == {}


def test_no_function_is_over_50_lines() -> None:
    """How many ways lead through one is ruff's to count (C901)."""
    long = [
        f"{module}:{node.lineno}: {node.name}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 50
    ]

    assert long == []
