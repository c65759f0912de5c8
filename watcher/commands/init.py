"""`watcher init`: writes a settings file, by four questions on a terminal, or by flags; never over another.

Registered by `cli`; it has a module of its own, which loads the rest only when it is needed.
"""

from __future__ import annotations

import sys

from watcher.commands import options


def init(
    config: options.ConfigOption = None,
    tenant: options.InitTenantOption = None,
    api_url: options.ApiUrlOption = None,
    token_url: options.TokenUrlOption = None,
    client_id: options.ClientIdOption = None,
    secret_file: options.SecretFileOption = None,
    folders: options.FoldersOption = None,
    acd_type: options.InitAcdTypeOption = "genesis",
    make_folders: options.MakeFoldersOption = False,
    sandbox: options.InitSandboxOption = None,
) -> None:
    """Write a settings file, by four questions or by options; never over another.

    Example: watcher init --sandbox 8080 --make-folders
    """
    from watcher.commands.init_dialogue import Ask, Given, answered, wants_folders, write
    from watcher.settings.config import find

    path = find(config)
    if path.exists() or path.is_symlink():
        raise options.usage_error(f"{path} is there, and nothing is written over it; name another", "-c")
    given = Given(tenant, api_url, token_url, client_id, secret_file, folders, acd_type, sandbox)
    ask = Ask(input, options.say) if sys.stdin is not None and sys.stdin.isatty() else None
    try:
        answers = answered(given, path, ask)
    except ValueError as error:
        raise options.usage_error(str(error)) from None
    write(answers, path, options.say, make_folders=make_folders or wants_folders(answers, path, ask))
