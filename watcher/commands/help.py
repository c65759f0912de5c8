"""What `--help` says of a command: names, words and defaults; no types, no brackets of the library's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperCommand, TyperOption

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter


class PlainCommand(TyperCommand):
    """A command whose help is as short as a manual page's."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Return what stands behind the command's name in its usage line."""
        arguments = [item for item in self.get_params(ctx) if isinstance(item, TyperArgument)]
        return ["[OPTIONS]", *(_name(item) for item in arguments)]

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return its first sentence, whole: the list of commands has more lines for it."""
        del limit
        return " ".join((self.help or "").partition("\n\n")[0].split())

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write its arguments and options."""
        for title, kind in (("Arguments", TyperArgument), ("Options", TyperOption)):
            records = [(_name(item), _words(item)) for item in self.get_params(ctx) if isinstance(item, kind)]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _name(item: Any) -> str:
    if isinstance(item, TyperArgument):
        return item.metavar or str(item.name).upper()
    value = "" if item.is_flag else f" {item.metavar or 'N'}"
    return ", ".join(sorted(item.opts, key=len)) + value  # click has some as a set


def _words(item: Any) -> str:
    """Return the words of an argument or an option, with the value that it has where none is given."""
    default = item.show_default if isinstance(item.show_default, str) else item.default
    says_nothing = default in (None, True, False, "") or callable(default)
    return (item.help or "") + ("" if says_nothing else f"  [default: {default}]")
